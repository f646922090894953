import json

from seg.proof.table import rows
from seg.proof.verdict import verdict


def test_every_measure_of_every_arm_is_a_flat_row(make_table):
    table = make_table({"liver": (0.4, 0.75), "spleen": (0.1, 0.7), "scratch": (0.1, 0.7)})
    verdicts = [verdict(table, arm, "scratch", 5) for arm in ("liver", "spleen")]
    found = rows(verdicts)
    assert [(row["arm"], row["measure"]) for row in found] == [
        (arm, measure) for arm in ("liver", "spleen") for measure in ("start", "slope", "asymptote", "area")
    ]
    assert len({tuple(row) for row in found}) == 1
    first, judged = found[0], verdicts[0].measures[0]
    assert (first["difference"], first["low"], first["high"]) == (judged.estimate, judged.low, judged.high)
    assert (first["p_holm"], first["verdict"], first["size"]) == (judged.p_holm, "helped", 5)
    assert (found[3]["p_holm"], found[3]["verdict"]) == (None, None)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
