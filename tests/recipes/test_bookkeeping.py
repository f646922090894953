from seg.models.weights import WeightReport, WeightRow
from seg.recipes.bookkeeping import weights_csv


def test_the_table_of_weights_names_every_tensor_with_both_shapes() -> None:
    rows = (
        WeightRow("encoder.conv1.weight", "adapted", (64, 3, 7, 7), (64, 9, 7, 7)),
        WeightRow("fc.bias", "unused", (1000,), None),
        WeightRow("decoder.bias", "missing", None, (8,)),
    )
    assert weights_csv(WeightReport("file", "", rows)).splitlines() == [
        "tensor,status,shape in the file,shape in the network",
        "encoder.conv1.weight,adapted,64 x 3 x 7 x 7,64 x 9 x 7 x 7",
        "fc.bias,unused,1000,",
        "decoder.bias,missing,,8",
    ]
