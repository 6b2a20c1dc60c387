"""The recipes of `keras-vae train`: imports nothing, so that `--help` is quick."""

# What the options come to that are not given.
RECIPES = {
    "best": {
        "network": "resnet",
        "latent_dim": 32,
        "prior": "real_nvp",
        "optimizer": "muon",
        "batch_size": 200,
        "learning_rate": 5e-3,
        "learning_rate_schedule": "cosine",
        "warmup_share": 0.1,
        "initial_beta": 0.0,
    },
    "textbook": {
        "network": "conv",
        "latent_dim": 8,
        "prior": "standard_normal",
        "optimizer": "adam",
        "batch_size": 128,
        "learning_rate": 1e-3,
        "learning_rate_schedule": "constant",
        "warmup_share": 0.0,
        "initial_beta": 0.0,
    },
    "table": {
        "network": "mlp",
        "latent_dim": 8,
        "prior": "standard_normal",
        "optimizer": "adam",
        "batch_size": 64,
        "learning_rate": 3e-3,
        "learning_rate_schedule": "cosine",
        "warmup_share": 0.0,
        "initial_beta": 0.0,
    },
    # With the plain bound the classifier believes itself too early.
    "few_labels": {
        "network": "mlp",
        "latent_dim": 50,
        "prior": "standard_normal",
        "optimizer": "adam",
        "batch_size": 200,
        "learning_rate": 3e-3,
        "learning_rate_schedule": "cosine",
        "warmup_share": 0.8,
        "initial_beta": 4.0,
    },
}
