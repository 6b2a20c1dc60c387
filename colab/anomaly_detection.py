# %% [markdown]
# # Anomaly detection with a VAE
#
# A variational autoencoder learns how normal data are distributed; what is unlikely under it is an
# anomaly. First a table, then images, each with a baseline, a threshold that keeps its promise, and
# a look at where an example is odd.

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
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

import keras_vae as kv

# FAST=1 in the environment: the small digits that need no download, and few epochs.
FAST = bool(os.environ.get("FAST"))

# %% [markdown]
# ## A table
#
# 569 tumours with 30 measurements each, which scikit-learn brings along. The benign ones are taken
# as normal: 200 to learn from, 75 to calibrate with, 82 and all 212 malignant ones to judge.

# %%
table = load_breast_cancer()
benign = np.random.default_rng(0).permutation(table.data[table.target == 1])
malignant = table.data[table.target == 0]
learnt, calibration, normal = benign[:200], benign[200:275], benign[275:]
rows = np.concatenate([normal, malignant])
is_anomaly = np.repeat([0, 1], [len(normal), len(malignant)])
print(rows.shape)

# %% [markdown]
# A detector follows scikit-learn: `fit`, `score_samples` (lower is more abnormal), `predict` (-1
# for anomalies). Without a VAE of your own it trains one.

# %%
detector = kv.anomaly.AnomalyDetector(false_alarm_rate=0.05, random_state=0)
detector.fit(learnt, calibration=calibration)
score = detector.score_samples(rows)

scaler = StandardScaler().fit(learnt)
neighbours = NearestNeighbors(n_neighbors=5).fit(scaler.transform(learnt))
distance = neighbours.kneighbors(scaler.transform(rows))[0].mean(axis=1)
for name, values in {"VAE": -score, "distance to neighbours": distance}.items():
    print(f"{name:24} area under the ROC curve {roc_auc_score(is_anomaly, values):.3f}")
kv.plotting.plot_roc(score[is_anomaly == 0], {"malignant": score[is_anomaly == 1]})

# %% [markdown]
# The threshold was set by examples that were not learnt from: of new normal ones at most 5 % are
# called anomalies, on average over calibrations.

# %%
found = detector.predict(rows) == -1
print(f"called anomalies: {found[is_anomaly == 0].mean():.1%} of the normal ones,")
print(f"                  {found[is_anomaly == 1].mean():.1%} of the anomalies")
threshold = detector.threshold_
kv.plotting.plot_scores(score[is_anomaly == 0], {"malignant": score[is_anomaly == 1]}, threshold)

# %% [markdown]
# Which of its measurements make the most abnormal tumour odd, in nats beyond the usual:

# %%
where = detector.explain(rows)[score.argmin()]
for column in np.argsort(-where)[:5]:
    print(f"{table.feature_names[column]:26} {where[column]:8.1f} nats")

# %% [markdown]
# ## Images
#
# A VAE that has never seen a nine, and a detector that is asked to find them among the others.

# %%
LEFT_OUT = 9
data = kv.data.load("digits" if FAST else "mnist", labels=True)
(train, train_y), (test, test_y) = (
    map(np.concatenate, zip(*part)) for part in (data.train, data.test)
)
train = train[train_y != LEFT_OUT]
held_out, train = np.split(train, [len(train) // 10])
test, test_y = test[:2000], test_y[:2000]
kv.plotting.plot_samples(test[:40], columns=10)

# %%
likelihood = kv.likelihoods.Gaussian("learned")
vae = kv.VAE(
    encoder=kv.networks.conv_encoder(data.image_shape, latent_dim=16, seed=0),
    decoder=kv.networks.conv_decoder(
        data.image_shape, latent_dim=16, params_per_channel=likelihood.params_per_channel, seed=1
    ),
    likelihood=likelihood,
    seed=2,
)
vae.compile(keras.optimizers.Adam(1e-3))
history = vae.fit(train, validation_data=(held_out,), batch_size=128, epochs=5, verbose=2)

# %% [markdown]
# Several scores, of which `combined` is the default: what each is, is in `kv.anomaly.SCORES`.

# %%
is_anomaly = test_y == LEFT_OUT
for criterion in ("combined", "negative_elbo", "reconstruction_error"):
    detector = kv.anomaly.AnomalyDetector(vae, criterion, false_alarm_rate=0.05)
    detector.fit(train[:5000], calibration=held_out)
    score = detector.score_samples(test)
    print(f"{criterion:22} area under the ROC curve {roc_auc_score(is_anomaly, -score):.3f}")

# %% [markdown]
# The images with the highest scores, and what is odd in them. Nines look like fours and sevens: it
# is the hardest digit to leave out.

# %%
detector = kv.anomaly.AnomalyDetector(vae, false_alarm_rate=0.05)
detector.fit(train[:5000], calibration=held_out)
order = np.argsort(detector.score_samples(test))[:10]
print("labels", test_y[order])
kv.plotting.plot_reconstructions(test[order], vae.reconstruct(test[order]))

# %% [markdown]
# What was learnt is kept in two files, and used by the command line too:
# `keras-vae detect RUN images/ --out found.csv`.

# %%
vae.save("vae.keras")
detector.save("detector.npz")
again = kv.anomaly.load("detector.npz", keras.models.load_model("vae.keras"))
both = [one.score_samples(test[:50]) for one in (detector, again)]
print("the same scores:", np.allclose(*both))
