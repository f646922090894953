"""Independent jobs, run here, in processes beside this one, on Ray or on SLURM, with the same result from each.

Comes in: jobs, which leave their results on disk. Goes out: which of them failed, and why.
May import: train.interrupt, runs and what is below. No torch.
"""
