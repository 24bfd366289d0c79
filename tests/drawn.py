"""Invented results of looking inside, with blocks of every kind: common ones and odd ones."""

from __future__ import annotations

import numpy as np

from pellucid.views import Badge, Result
from pellucid.views.blocks import Bars, Block, Curves, Gallery, Heat, Picture, Sum, Table, Words

EVIL = '<script>alert("x")</script>&\'"\0\x1b\ud800\u202e'
LONG = "the mean distance between two neighbouring places of measurement in thousands of kilometres"
NAMES = [
    "area",
    "rooms",
    "year built",
    "WWWWWWWWWWWWWWWWWWWWWWWWWW",
    LONG,
    "距離と面積と部屋の数と築年数",
    "مساحة الشقة",
]


def photo(height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray:  # (H, W, 3)
    """A sky, a hill and a sun."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / (height, width)[0]
    found = np.stack([90 + 90 * y, 140 + 60 * y, 230 - 60 * y], axis=-1)
    found[y > 0.65 + 0.15 * np.sin(5 * x + seed)] = (60, 120, 50)
    found[(x - 0.9) ** 2 + (y - 0.25) ** 2 < 0.02] = (250, 220, 80)
    return np.clip(found + rng.normal(0, 6, found.shape), 0, 255).astype(np.uint8)


def spot(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / max(height, width)
    return np.exp(-((x - 0.7) ** 2 + (y - 0.2) ** 2) / 0.02) - 0.6 * np.exp(-((x - 0.2) ** 2 + (y - 0.6) ** 2) / 0.03)


def some_words(count: int) -> Words:
    rng = np.random.default_rng(3)
    text = "this was not the film that I had hoped for , although the music is lovely and the ending surprising"
    words = (text.split() * (count // 20 + 1))[:count]
    return Words("Orange words speak for 'bad', blue ones against.", words, rng.normal(0, 0.2, count) ** 3)


def common_blocks() -> list[Block]:
    """What views make on a good day."""
    rng = np.random.default_rng(0)
    x = np.linspace(20, 180, 40)
    return [
        Table("What the table says.", ("stage", "gives", "parameters"), [["layer1", "32", 1056], ["output", "3", 99]]),
        Bars("Each field's share of the answer.", NAMES, [1.25, -0.4, 0.031, -1.9, 0.77, 0.2, -0.05], "share", "€"),
        Bars(
            "With whiskers.", NAMES[:4], [0.8, -0.3, 0.1, 0.02], "share",
            low=[0.7, -0.5, -0.05, 0.0], high=[0.93, -0.1, 0.2, 0.05],
        ),
        Bars("Probabilities.", ["cat", "dog", "horse"], [0.91, 0.07, 0.02], "probability", signed=False),
        Curves(
            "The answer as the area changes; strokes on the axis are kept examples.", x, {"answer": np.sqrt(x) * 11},
            "area (m²)", "price (thousand €)", rug=rng.normal(90, 20, 300), mark=(90.0, 104.36, "this row: 104"),
            faint=[np.sqrt(x) * (8 + i / 2) for i in range(12)],
        ),
        Curves("Three curves.", x, {"cat": x / 200, "dog": 1 - x / 200, LONG: x * 0 + 0.4}, "area", "probability"),
        Curves("Eight curves.", x, {f"{NAMES[i % 7]} {i}": np.sin(x / 20 + i) for i in range(8)}, "area", LONG),
        Heat(
            "Attention.", abs(rng.normal(size=(7, 9))), ["this", "film", "was", "not", "very", "good", "."],
            ["this", "film", "was", "not", "very", "good", ".", "<end>", "<pad>"], "looks from", "looks at",
            signed=False,
        ),
        Heat("State by step.", rng.normal(size=(24, 60)).cumsum(1), row_label="unit", column_label="step"),
        Picture("Where it looked.", photo(), spot(4, 5)),
        Picture("Which pixels.", photo(32, 32, 2), spot(32, 32)),
        Picture("A photo alone.", photo(8, 8)),
        Gallery(
            "The nearest kept examples.", [f"hill/{i}.png" for i in range(6)], [photo(16, 16, i) for i in range(6)],
            [["hill, likeness 0.97"], ["hill, likeness 0.95"], [LONG]] + [["sea, likeness 0.8", "the answer: sea"]] * 3,
        ),
        Gallery("Nearest rows.", ["row 12", "row 873"], [None, None], [["area 90", "rooms 3"], ["area 92", "rooms 4"]]),
        some_words(57),
        Sum(
            "One unit of the second layer.",
            [("layer1.3", 0.8123, 1.5), ("layer1.12", -1.1, 0.9), (LONG, 1.2e-5, -123456.7), ("layer1.7", -3e9, 1e-9)],
            (0.21, 28), -0.13, 0.2866, [("after normalisation", 0.31), ("after ReLU", 0.31)],
        ),
    ]  # fmt: skip


def odd_blocks() -> list[Block]:
    """What views make on a bad day: nothing, one, gaps, very many, hostile names, a text from right to left."""
    rng = np.random.default_rng(1)
    nan = float("nan")
    many = [f"column {i} of the table" for i in range(500)]
    arabic = ["هذا", "الفيلم", "لم", "يكن", "جيدا", "لكن", "الموسيقى", "جميلة", "جدا"]
    return [
        Table("", ("a",), []),
        Table("", (EVIL, "b"), [[EVIL, nan], [LONG * 5, 10**15]]),
        Bars("", [], []),
        Bars("", ["only"], [0.0]),
        Bars("", [EVIL, "b", "c"], [nan, float("inf"), -1e308], EVIL, EVIL, [nan] * 3, [nan, 1.0, 1e308]),
        Bars("500 columns.", many, rng.normal(size=500) * 1e-7),
        Curves("", [], {}),
        Curves("", [1.0], {EVIL: [2.0]}, EVIL, EVIL, rug=[nan, 1.0], mark=(1.0, 2.0, EVIL + LONG)),
        Curves("", [0, 1, 2], {"gap": [nan, nan, nan], "b": [1.0, nan, 1e300]}, log=True, faint=[[nan, 1, 2]]),
        Curves("", np.arange(5), {f"{LONG} {i}": np.full(5, 1.0) for i in range(4)}, LONG, LONG),
        Curves("", np.arange(5), {f"{i} {LONG}": np.full(5, i) for i in range(30)}, LONG, LONG),
        Heat("", np.zeros((0, 3))),
        Heat("", np.zeros((1, 1)), [EVIL], [EVIL], EVIL, EVIL),
        Heat("", np.array([[1.0, nan], [-2.0, float("inf")]]), [LONG, "b"], [LONG, NAMES[5]], LONG, LONG),
        Heat("700 × 900.", rng.normal(size=(700, 900)), [f"unit {i}" for i in range(700)], [], "unit", "step"),
        Heat("Many names.", rng.normal(size=(60, 40)), [f"{i} {LONG}" for i in range(60)], [LONG] * 40),
        Heat("One row.", rng.normal(size=(1, 300)), ["only"], column_label="step"),
        Picture("", np.zeros((0, 0, 3), np.uint8), np.zeros((0, 0))),
        Picture("", photo(400, 3)[..., :1], np.array([[nan, 1.0], [-1.0, 0.0]])),
        Picture("", photo(300, 700), spot(300, 700)),
        Gallery("", [], []),
        Gallery("", [EVIL, LONG, ""], [None, photo(3, 90), None], [[EVIL], [LONG * 3, "b"], []]),
        Words("", [], []),
        Words("", ["one"], [nan]),
        Words("", [EVIL, "", "W" * 500, "字" * 40], [1.0, -1.0, nan, 0.5]),
        Words("From right to left.", arabic, rng.normal(size=len(arabic))),
        some_words(10_000),
        Sum("", [], (0.0, 0), 0.0, 0.0),
        Sum("", [(EVIL, nan, 1.0), (LONG, -1e30, 1e20)], (-1e12, 10**7), -1234567.0, nan, [(EVIL + LONG, 1e-30)]),
        Sum("", [(f"unit {i}", 0.1 * i, -1.0) for i in range(90)], (0.0, 0), 0.5, -400.0),
    ]  # fmt: skip


def shown(blocks: list[Block], word: str = "demo", level: str = "checked") -> Result:
    return Result(
        word,
        f"What the network looked at: {word}",
        "The answer is 'bad' mostly because of the words 'not' and 'hoped'; the rest of the text hardly counts for it.",
        Badge(
            level,
            "Taking away what it marks lowers the answer more than taking away as much at random.",
            {"share": 0.8},
        ),  # type: ignore[arg-type]
        blocks,
        method="Expected gradients over 32 kept examples.",
        paper="Erion et al., 2021",
        caption="Orange speaks for the answer, blue against it.",
    )
