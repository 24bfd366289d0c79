"""The options: each declared once, checked the same way for the command line and for Python."""

import json
from pathlib import Path

import pytest

from pellucid import options
from pellucid.errors import UsageError
from pellucid.options import Budget, Option, check_options
from pellucid.options.types import Number, Some, Text, Whole, Written

FIX = "\n  write it like 30s, 5m, 1h30m, 10epochs or 500steps"


@pytest.mark.parametrize(
    ("text", "kind", "amount", "shown"),
    [
        ("30s", "seconds", 30, "30s"),
        ("5m", "seconds", 300, "5m"),
        ("1h30m", "seconds", 5400, "1h30m"),
        ("1.5 h", "seconds", 5400, "1h30m"),
        ("90 seconds", "seconds", 90, "1m30s"),
        ("0.25s", "seconds", 0.25, "0.25s"),
        ("59.9999s", "seconds", 59.9999, "1m"),
        ("10epochs", "epochs", 10, "10 epochs"),
        ("1 epoch", "epochs", 1, "1 epoch"),
        ("0.5 epochs", "epochs", 0.5, "0.5 epochs"),
        ("500 steps", "steps", 500, "500 steps"),
        ("12,345,678 steps", "steps", 12345678, "12345678 steps"),
    ],
)
def test_budget_reads_and_writes(text, kind, amount, shown):
    budget = Budget.parse(text)
    assert (budget.kind, budget.amount, str(budget)) == (kind, amount, shown)
    assert str(Budget.parse(str(budget))) == shown
    assert Budget.parse(budget) is budget


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("30", "budget '30': a number needs its unit" + FIX),
        ("soon", "budget 'soon' is not an amount" + FIX),
        ("", "budget '' is not an amount" + FIX),
        ("-5m", "budget '-5m' is not an amount" + FIX),
        ("0s", "a budget of 0 seconds is too small\n  give it more than 0"),
        ("2.5steps", "a budget of 2.5 steps is not a whole number of steps"),
        (
            "5m 3epochs",
            "budget '5m 3epochs' mixes epochs and seconds" + FIX,
        ),
        (
            "3epoch5",
            "budget '3epoch5': a number needs its unit" + FIX,
        ),
    ],
)
def test_budget_says_what_is_wrong(text, message):
    with pytest.raises(UsageError) as caught:
        Budget.parse(text)
    assert str(caught.value) == message


def test_unit_is_suggested():
    with pytest.raises(UsageError, match=r"Unknown unit 'epoches'\. Did you mean 'epochs'"):
        Budget.parse("3epoches")


def test_one_budget_only():
    assert Budget.of(None, None, None) is None
    assert Budget.of("5m", None, None) == Budget("seconds", 300)
    assert Budget.of(None, 2, None) == Budget("epochs", 2)
    with pytest.raises(UsageError, match="only one budget can be given, not both 5m and 2 epochs"):
        Budget.of("5m", 2, None)


def test_check_options():
    assert check_options("train", {"epochs": "3", "lr": None, "ignore": "id"}) == {
        "epochs": 3.0,
        "lr": None,
        "ignore": ("id",),
    }
    with pytest.raises(UsageError, match=r"Unknown option of train 'netwrok'\. Did you mean 'network'"):
        check_options("train", {"netwrok": "mlp"})
    with pytest.raises(UsageError, match="Unknown option of train 'plan_only'"):
        check_options("train", {"plan_only": True})
    with pytest.raises(UsageError, match="batch size 0: expected a whole number of at least 1"):
        check_options("train", {"batch_size": 0})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", -1),
        ("epochs", "nan"),
        ("epochs", True),
        ("lr", "fast"),
        ("lr", 0),
        ("steps", 1.5),
        ("seed", -1),
        ("device", "gpu"),
        ("name", "../away"),
        ("out", ""),
        ("out", "a\0b"),
        ("image_size", "8x8x8"),
        ("image_size", "8193"),
        ("header", "yes"),
        ("kinds", "zip:category"),
    ],
)
def test_values_that_cannot_be_used(name, value):
    with pytest.raises(UsageError, match=f"^{name.replace('_', ' ')} .*: expected "):
        check_options("train", {name: value})


@pytest.mark.parametrize(
    ("name", "value", "most"),
    [
        ("seed", 2**64, "9,223,372,036,854,775,807"),
        ("seed", "9223372036854775808", "9,223,372,036,854,775,807"),
        ("seed", "1e400", "9,223,372,036,854,775,807"),
        ("seed", 10**400, "9,223,372,036,854,775,807"),
        ("split_seed", "9" * 4000, "9,223,372,036,854,775,807"),
        ("steps", 10**30, "1,000,000,000,000"),
        ("epochs", 1e30, "1,000,000,000"),
        ("batch_size", "10000000", "1,000,000"),
        ("lr", "1e300", "1,000"),
        ("size", 21, "20"),
        ("folds", 1001, "1,000"),
        ("class_weights", "a=1,b=1e300", "1,000,000"),
    ],
)
def test_numbers_too_large_for_what_is_below(name, value, most):
    with pytest.raises(UsageError, match=f"^{name.replace('_', ' ')} .*: expected .* of at most {most}$") as caught:
        check_options("train", {name: value})
    assert len(str(caught.value)) < 400


def test_numbers_that_python_does_not_write():
    with pytest.raises(UsageError, match=r"^seed of int: expected a whole number of at most"):
        check_options("train", {"seed": 10**5000})


def test_every_number_has_bounds():
    numbers = [(v, o) for v, declared in options.VERBS.items() for o in declared if isinstance(o.type, Whole | Number)]
    assert len(numbers) > 10
    assert [(verb, option.name) for verb, option in numbers if option.type.most is None] == []


def test_seeds_are_read_to_the_last_digit():
    for seed in (2**63 - 1, 2**53 + 1):
        assert check_options("train", {"seed": str(seed)}) == check_options("train", {"seed": seed}) == {"seed": seed}


@pytest.mark.parametrize("text", ["1" * 30 + "h", "9" * 400 + "s", "1000000000001 steps", "2,000,000,000 epochs"])
def test_budgets_that_nobody_can_spend(text):
    with pytest.raises(UsageError, match=r"is more than can be spent\n  give it at most 1,000,000,000"):
        Budget.parse(text)


def test_values_are_brought_to_their_form():
    given = {"image_size": "48x32", "seed": 7.0, "device": "cuda:1", "name": "été 1", "header": False}
    assert check_options("train", given) == {**given, "image_size": (48, 32), "seed": 7}
    assert check_options("read", {"image_size": 32}) == {"image_size": 32}


def test_every_option_is_documented_once():
    assert options.VERBS
    for verb, declared in options.VERBS.items():
        names = [option.name for option in declared]
        assert len(set(names)) == len(names), verb
        table = options.options_table(verb)
        for option in declared:
            assert f"`{option.spelling}" in table
            assert option.help.endswith((".", "?"))
            assert len(option.help) <= 90


def test_defaults_pass_their_own_checks():
    for option in (o for declared in options.VERBS.values() for o in declared if o.default is not None):
        assert option.check_value(option.default) == option.default


def test_option_names_what_it_got():
    def refuse(value):
        raise ValueError("expected better")

    with pytest.raises(UsageError) as caught:
        Option("a_b", "", Written(refuse, "", "")).check_value("x")
    assert str(caught.value) == "a b 'x': expected better"


def test_the_page_of_options_is_what_is_declared():
    page = (Path(__file__).parents[1] / "docs" / "options.md").read_text()
    verbs = [verb for verb in options.VERBS if verb != "plan"]  # plan takes what train takes
    assert all(options.options_table(verb) in page for verb in verbs)
    assert len(page.split("\n## ")) == len(verbs) + 1


def test_commands_that_are_suggested_can_be_pasted(tmp_path):
    from pellucid.errors import PellucidError
    from pellucid.runs.paths import new_folder
    from pellucid.storage import damage_error

    place = tmp_path / "my run"
    place.mkdir()
    (place / "run.json").write_text('{"status": "done"}')
    (place / "manifest.json").write_text("{}")
    assert f"train again: pellucid train --like '{place}'" in str(
        damage_error("it is damaged", place / "history.jsonl")
    )
    assert str(damage_error("it is damaged", place / "run.json")).endswith("or train again"), "it can't be read"
    (place / "run.json").write_text('{"status": "training"}')
    assert str(damage_error("it is damaged", place / "weights.safetensors")).endswith("or train again")
    assert str(damage_error("it is damaged", Path("."))).endswith("or train again"), (
        "a path without a name is no trouble"
    )
    with pytest.raises(PellucidError, match=f"or: pellucid resume '{place}'"):
        new_folder(place)


def test_a_form_can_be_made_of_every_option():
    """Bounds, choices and units are fields; what a form is made of is JSON, and no check hides a bound from it."""
    for verb, declared in options.VERBS.items():
        for option in declared:
            about = option.to_json()
            assert json.loads(json.dumps(about)) == about, (verb, option.name)
            assert about["type"]["form"] != "anything" or option.name == "split", (verb, option.name)
    known = {o.name: o.to_json()["type"] for o in options.VERBS["train"]}
    assert known["batch_size"] == {"form": "whole number", "least": 1, "most": 1_000_000, "unit": "examples"}
    assert known["lr"] == {"form": "number", "above": 0, "most": 1000.0}
    assert known["folds"]["but"] == [1]
    assert known["augment"] == {
        "form": "some of",
        "choices": ["mirror", "shift", "cover", "speed", "pitch", "colour", "noise", "mask"],
        "instead": ["auto", "none"],
    }
    assert known["budget"] == {"form": "written", "like": "budget", "example": "5m"}


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Whole(2, 9, but=(5,), expected="expected another"), (2, "9", 3.0), (1, 10, 5, 2.5, True, "two")),
        (Number(0.5), (0.6, "1e3"), (0.5, "nan", None)),
        (Text("[a-c]+", but=("b",), expected="expected a, b or c"), ("a", "cab"), ("b", "d", "")),
        (Some(("x", "y"), ("all",)), ("y,x", ["x"], "all"), ("z", "x,all", "")),
    ],
)
def test_checks_follow_from_the_fields_of_a_type(kind, good, bad):
    for value in good:
        kind.check(value)
    for value in bad:
        with pytest.raises((ValueError, TypeError), match="expected"):
            kind.check(value)


def test_choices_are_what_is_registered():
    from pellucid.fields import KINDS
    from pellucid.fields.passage import LEVELS
    from pellucid.outputs import OUTPUTS
    from pellucid.trunks import trunk_named

    known = {o.name: o.to_json()["type"] for o in (*options.VERBS["train"], *options.VERBS["compare"])}
    assert sorted(known["output"]["choices"]) == sorted(OUTPUTS)
    # Whether rows are moments, or passages of texts, is said of all of them.
    assert sorted(known["kinds"]["choices"]) == sorted(name for name, kind in KINDS.items() if not kind.of_all_rows)
    assert known["level"]["choices"] == list(LEVELS)
    assert known["network"]["choices"] == known["networks"]["choices"]
    for name in known["network"]["choices"]:
        trunk_named(name)


@pytest.mark.parametrize(("text", "seconds"), [("1,500s", 1500), ("12,345,678s", 12345678)])
def test_commas_part_thousands(text, seconds):
    assert Budget.parse(text).amount == seconds


@pytest.mark.parametrize("text", ["1,5m", "0,5h", "1,50s", "1,5000s"])
def test_a_decimal_comma_is_no_thousand(text):
    with pytest.raises(UsageError, match="is not an amount"):
        Budget.parse(text)


@pytest.mark.parametrize(("name", "value"), [("network", 5), ("target", 1.5), ("ignore", 2.5)])
def test_what_can_be_no_name(name, value):
    with pytest.raises(UsageError, match="expected"):
        check_options("train", {name: value})
