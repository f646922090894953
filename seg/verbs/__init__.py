"""One file per verb: parse, call the function of that name in `seg/api/`, print."""
