# %% [markdown]
# # keras_vae: from `model.fit` to the phone
#
# Train a variational autoencoder, look at what it learnt, generate, morph, find odd images, and
# run its TFLite decoder: under five minutes on a CPU.

# %%
import glob

# A wheel that was uploaded beside this notebook, or else the package index.
PACKAGE = (glob.glob("keras_vae-*.whl") or ["keras-vae"])[0]
# %pip install -q "{PACKAGE}"

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from IPython.display import display

import keras_vae as kv
from export import export, load

# FAST=1 in the environment: the small digits that need no download, and few epochs.
FAST = bool(os.environ.get("FAST"))
EPOCHS = 20 if FAST else 8

# %% [markdown]
# ## The data
#
# `"mnist"` is downloaded by TensorFlow Datasets. A folder of images, `.npz` and `.npy` files, and
# arrays work the same way. Each pixel is made 0 or 1, drawn anew in each epoch with its grey value
# as chance, so that log p(x) is a log-probability.

# %%
data = kv.data.load("digits" if FAST else "mnist", batch_size=128, binarize="dynamic", labels=True)
images, labels = next(iter(data.test))
kv.plotting.plot_samples(images[:40], columns=10)

# %% [markdown]
# ## The model
#
# An encoder gives q(z|x), a decoder p(x|z); each is a Keras model, and your own will do. What lies
# between them is the `VAE`, a `keras.Model` too.

# %%
vae = kv.VAE(
    encoder=kv.networks.conv_encoder(data.image_shape, latent_dim=16, seed=0),
    decoder=kv.networks.conv_decoder(
        data.image_shape,
        latent_dim=16,
        output_bias=kv.likelihoods.Bernoulli().bias(data.mean),
        seed=1,
    ),
    likelihood="bernoulli",
    objective=kv.objectives.ELBO(beta=kv.schedules.LinearWarmup(share=0.1)),
    seed=2,
)
vae.compile(optimizer=keras.optimizers.Adam(2e-3))
vae.summary()

# %% [markdown]
# ## Training
#
# The picture is drawn anew after each epoch: what the decoder makes of the same 40 draws of z.


# %%
def samples():
    return kv.plotting.plot_samples(vae.generate(40, seed=7), columns=10)


picture = display(samples(), display_id=True)
show = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: picture.update(samples()))
history = vae.fit(
    data.train, validation_data=data.validation, epochs=EPOCHS, callbacks=[show]
).history

# %%
kv.plotting.plot_history(history)

# %% [markdown]
# ## How good is it?
#
# The ELBO bounds log p(x) from below; with more draws of z the bound comes closer. Both are in
# nats per image, with the standard error over the test images.

# %%
metrics = kv.evaluation.evaluate(vae, data.test.take(8), num_samples=50)
for name in ("elbo", "nll"):
    print(f"{name:5} {metrics[name]:8.2f} ± {metrics[f'{name}_standard_error']:.2f} nats")
print(metrics["active_units"], "of", metrics["latent_dim"], "latent units carry something")

# %% [markdown]
# ## Reconstruct
#
# Test images, their reconstructions from the centre of q(z|x), and where the two differ.

# %%
x = images[:10]
kv.plotting.plot_reconstructions(x, vae.reconstruct(x))

# %% [markdown]
# ## The latent space
#
# The z of test images in two dimensions. The labels colour the points; training has not seen them.

# %%
found = kv.latent.embed(vae, data.test.take(8))
kv.plotting.plot_latent(kv.latent.project(found.z, "tsne"), found.labels)

# %% [markdown]
# From one image to another, along the great circle between their z:

# %%
ways = [
    kv.latent.morph(vae, images[i], images[i + 1], steps=10, path="spherical") for i in range(4)
]
kv.plotting.plot_interpolation(np.stack(ways))

# %% [markdown]
# ## An odd image
#
# A detector is calibrated with images that the training has not seen: it calls at most 5 % of
# normal ones anomalies. A test image turned on its side is odd; the map shows where.

# %%
train, validation = (
    np.concatenate([x for x, _ in part.take(16)]) for part in (data.train, data.validation)
)
detector = kv.anomaly.AnomalyDetector(vae, false_alarm_rate=0.05)
detector.fit(train, calibration=validation)
looked_at = np.array(images[:10])
looked_at[4] = np.rot90(looked_at[4])
looked_at[7] = 1 - looked_at[7]
print("p-values", np.round(detector.p_values(looked_at), 3))
print("anomalies", np.flatnonzero(detector.predict(looked_at) == -1))

# %% [markdown]
# ## To the device
#
# Each file is compared with the Keras model before it gets its name.

# %%
for exported in export(vae, "exported", formats=("saved_model", "tflite")):
    print(exported.path, f"{exported.size:,} bytes, worst error {exported.worst_error:.1e}")

# %% [markdown]
# The TFLite file runs without TensorFlow and Keras, and one seed draws the same images everywhere.

# %%
decoder = load("exported/tflite/model_float32.tflite")
drawn = decoder.generate(40, seed=7).image
print("largest difference from Keras:", np.abs(drawn - vae.generate(40, seed=7)).max())
kv.plotting.plot_samples(drawn, columns=10)

# %%
try:
    from google.colab import files

    files.download("exported/tflite/model_float32.tflite")
except ImportError:
    print("The file for the device: exported/tflite/model_float32.tflite")
