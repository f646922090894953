from seg.models.weights import WeightReport, WeightRow
from seg.recipes.bookkeeping import weights_csv
from seg.train.outcome import Outcome


def test_the_table_of_weights_names_every_tensor_with_shapes_and_what_became_of_it() -> None:
    rows = (
        WeightRow("encoder.conv1.weight", "adapted", (64, 3, 7, 7), (64, 9, 7, 7)),
        WeightRow("decoder.bias", "missing", None, (8,)),
        WeightRow("input_mean", "loaded", (3,), (3,)),
        WeightRow("fc.bias", "unused", (1000,), None),
    )
    outcomes = {
        "encoder.conv1.weight": Outcome("stem", (64, 9, 7, 7), "adapted", 28_224, True, None),
        "encoder.conv1.lora_A.default.weight": Outcome("the strategy's own", (8, 9, 7, 7), "missing", 3528, False, 2.5),
        "decoder.bias": Outcome("decoder", (8,), "missing", 8, False, 1.0),
        "input_mean": Outcome("input range", (3,), "loaded", 0, None, None),
    }
    assert weights_csv(WeightReport("file", "", rows), outcomes).splitlines() == [
        "tensor,status,shape in the file,shape in the network,frozen,learning rate factor",
        "encoder.conv1.weight,adapted,64 x 3 x 7 x 7,64 x 9 x 7 x 7,yes,",
        "decoder.bias,missing,,8,no,1",
        "input_mean,loaded,3,3,,",
        "encoder.conv1.lora_A.default.weight,missing,,8 x 9 x 7 x 7,no,2.5",
        "fc.bias,unused,1000,,,",
    ]
