# %% [markdown]
# # On the device: quantise, compare, benchmark
#
# One decoder in several precisions: how large each file is, how fast, how far from the Keras model,
# and by which signs a loss of quality shows.

# %%
import glob

# A wheel that was uploaded beside this notebook, or else the package index.
PACKAGE = (glob.glob("keras_vae-*.whl") or ["keras-vae"])[0]
# %pip install -q "{PACKAGE}[onnx,quantize]"

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import keras_vae as kv
from export import export, load
from export.benchmark import benchmark, table

# FAST=1 in the environment: the small digits that need no download, and few epochs.
FAST = bool(os.environ.get("FAST"))

# %%
data = kv.data.load("digits" if FAST else "mnist", batch_size=128, binarize="dynamic")
vae = kv.VAE(
    encoder=kv.networks.conv_encoder(data.image_shape, latent_dim=16, seed=0),
    decoder=kv.networks.conv_decoder(
        data.image_shape,
        latent_dim=16,
        output_bias=kv.likelihoods.Bernoulli().bias(data.mean),
        seed=1,
    ),
    likelihood="bernoulli",
    seed=2,
)
vae.compile(keras.optimizers.Adam(2e-3))
vae.fit(data.train, validation_data=data.validation, epochs=4, verbose=2)
vae.save("vae.keras")

# %% [markdown]
# ## Export
#
# Each file is compared with the Keras model on the same inputs before it gets its name; integer
# files take their ranges from training images. `decode` takes z, `generate` a seed.

# %%
files = export(
    vae,
    "exported",
    formats=("tflite", "onnx"),
    precisions=("float32", "float16", "dynamic", "int8"),
    endpoints=("decode", "reconstruct", "generate", "score"),
    data=data,
)
for file in files:
    name = f"{file.format}, {file.precision}"
    print(f"{name:20} {file.size:>10,} bytes   worst error {file.worst_error:.1e}")

# %% [markdown]
# ## Compare
#
# The same seed in each file, and the Keras model above. Float files cannot be told apart from it;
# integers of 8 bits can, at the edges of strokes.

# %%
seed, rows = 7, {"Keras": np.asarray(vae.generate(10, seed=7))}
for file in files:
    if "generate" in file.endpoints:
        rows[f"{file.format}, {file.precision}"] = load(file.path).generate(10, seed=seed).image
for name, images in rows.items():
    error = np.abs(images - rows["Keras"])
    psnr = -10 * np.log10(max(np.mean(error**2), 1e-12))
    print(f"{name:20} largest difference {error.max():.1e}, PSNR {min(psnr, 120):.0f} dB")
kv.plotting.plot_samples(np.concatenate(list(rows.values())), columns=10)

# %% [markdown]
# ## Benchmark
#
# Each file in a process of its own, in turns: size, time from a cold start to the first image, time
# of an image, memory, and what the rounding costs in nats and decibels on test images.

# %%
measured = benchmark(
    "exported", "vae.keras", np.concatenate(list(data.test.take(4))), rounds=1 if FAST else 5
)
print(table(measured))

# %% [markdown]
# ## Signs of a loss of quality
#
# * The ELBO through the quantised file falls: by less than a nat it is the noise of the draws, by
#   many the rounding shows.
# * Flat areas get a pattern, and faint strokes vanish: look at the row of int8 above.
# * The error grows with the size of z: draws far from the centre use the ends of the range. Give
#   `data` from the same source as the training, and more of it.
#
# Where int8 loses too much, `dynamic` keeps the activations in floats and is nearly as small.

# %%
z = np.random.default_rng(0).normal(size=(50, vae.latent_dim)).astype("float32")
decoder = load(next(file.path for file in files if file.precision == "int8"))
for scale in (0.5, 1.0, 2.0):
    error = np.abs(decoder.decode(scale * z) - np.asarray(vae.decode(scale * z)))
    print(f"z times {scale}: mean error {error.mean():.4f}, largest {error.max():.3f}")
