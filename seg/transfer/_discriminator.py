"""A small network that tells the domains apart."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Discriminator(nn.Module):
    """One hidden layer; a logit above 0 says target.

    No batch norm: with batches of one domain each, the batch's mean alone would give the domain away. Small, because
    one that is always right has no gradient left to turn round.
    """

    def __init__(self, channels: int, hidden: int, seed: int) -> None:
        """Weights follow from `seed` alone; torch's global random numbers stay where they are."""
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.hidden = nn.Linear(channels, hidden)
            self.out = nn.Linear(hidden, 1)

    def forward(self, vectors: Tensor) -> Tensor:
        """(samples, channels) to (samples,) logits."""
        logits: Tensor = self.out(F.relu(self.hidden(vectors)))
        return logits[:, 0]


def domain_cross_entropy(source_logits: Tensor, target_logits: Tensor) -> Tensor:
    """Mean of both domains' binary cross-entropies, so that neither counts more for having more samples."""
    return (F.softplus(source_logits).mean() + F.softplus(-target_logits).mean()) / 2


def domain_accuracy(source_logits: Tensor, target_logits: Tensor) -> Tensor:
    """Mean of both domains' shares of right answers: 0.5 where they cannot be told apart."""
    return ((source_logits < 0).float().mean() + (target_logits > 0).float().mean()) / 2
