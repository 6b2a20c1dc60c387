"""What every exported file can do: plain functions over a VAE, by name."""

from typing import NamedTuple


class Endpoint(NamedTuple):
    """The names of an endpoint's inputs and outputs."""

    inputs: tuple
    outputs: tuple


ENDPOINTS = {
    "decode": Endpoint(("z",), ("image",)),
    "encode": Endpoint(("image",), ("z_mean", "z_log_var")),
    "reconstruct": Endpoint(("image",), ("image",)),
    "generate": Endpoint(("seed", "temperature"), ("image", "z")),
}


def functions(vae):
    """Return the endpoints of a VAE as functions of tensors that give a dict of tensors.

    The image is the mean of p(x|z), never its parameters. Each row of a batch depends on its own
    inputs alone.

    Args:
        vae: `keras_vae.VAE`, built.

    Returns:
        dict from name to function, with `ENDPOINTS`'s names of inputs and outputs.
    """

    def decode(z):
        return {"image": vae.decode(z)}

    def encode(image):
        return vae.encode(image)._asdict()

    def reconstruct(image):
        return {"image": vae.reconstruct(image)}

    def generate(seed, temperature):
        z = vae.prior.sample_rows(seed, temperature)
        return {"image": vae.decode(z), "z": z}

    return {
        "decode": decode,
        "encode": encode,
        "reconstruct": reconstruct,
        "generate": generate,
    }


def input_types(vae):
    """Return the shape of one row and the dtype of each input, by its name.

    Args:
        vae: `keras_vae.VAE`, built.
    """
    return {
        "z": ((vae.latent_dim,), "float32"),
        "image": (tuple(vae.event_shape), "float32"),
        "seed": ((), "int32"),
        "temperature": ((), "float32"),
    }
