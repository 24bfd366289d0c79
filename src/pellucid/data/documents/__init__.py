"""Documents: texts and source code whose passages are rows, so that what comes next can be learned."""
