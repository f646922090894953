"""From the decoder's output to one channel per organ."""

from torch import Tensor, nn
from torch.nn import functional as F


class Head(nn.Module):
    """A 3x3 convolution, optionally after a hidden one, and enlargement to the image's grid."""

    def __init__(self, channels: int, organs: int, *, hidden: int = 0, scale: int = 1) -> None:
        """`hidden` is the width of the layer in between, 0 for none; `scale` is image pixels per decoder pixel."""
        super().__init__()
        self.scale = scale
        self.hidden = nn.Conv2d(channels, hidden, 3, padding=1) if hidden else nn.Identity()
        self.activation = nn.ReLU(inplace=True) if hidden else nn.Identity()
        self.out = nn.Conv2d(hidden or channels, organs, 3, padding=1)
        for layer in (self.hidden, self.out):
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, decoded: Tensor) -> Tensor:
        """(b, channels, y, x) to logits (b, organs, y * scale, x * scale)."""
        logits: Tensor = self.out(self.activation(self.hidden(decoded)))
        if self.scale == 1:
            return logits
        return F.interpolate(logits, scale_factor=self.scale, mode="bilinear", align_corners=False)
