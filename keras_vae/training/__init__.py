"""The training step of a VAE, and what `compile`, `fit` and `evaluate` do around it."""
