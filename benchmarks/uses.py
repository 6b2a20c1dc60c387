"""What a VAE is for, measured beside honest baselines: docs/uses.md says what came of it.

    python benchmarks/uses.py
    python benchmarks/uses.py leave_one_out gibberish alarms tables weights probe
    python benchmarks/uses.py denoise inpaint compress condition m2 m1_m2 few_alone pictures page

MNIST is that of TensorFlow Datasets (TFDS_DATA_DIR). `leave_one_out` and `tables` also measure what
the default score was chosen by, on held-out classes of training images and on other tables (`pip
install -r benchmarks/requirements.txt` for those); the test sets had no part in that. Each part
writes its results when it has them.
"""

import argparse
import json
import time

import numpy as np
import uses_compressed
import uses_conditioned
import uses_page
import uses_restored
from sklearn.decomposition import PCA
from uses_models import (
    NOISE,
    RESULTS,
    binary_model,
    cluster_model,
    conditional_model,
    full_grey,
    full_model,
    kept_model,
    noisy_model,
    write,
)
from uses_parts import (
    ROWS,
    auroc,
    auroc_by_weights,
    binary,
    gibberish_sets,
    mnist,
    part_of,
    pixel_neighbors,
    scores_of,
    table_baselines,
    train,
    train_residual,
)
from uses_tables import table_sets

import keras_vae as kv
from keras_vae import anomaly

_REFERENCES = 20_000
_IMAGE_SCORES = tuple(name for name in anomaly.SCORES if name != "row_neighbors")
_TABLE_SCORES = tuple(
    name for name in anomaly.SCORES if name not in ("complexity", "latent_neighbors")
)
_LABELS = (10, 100, 1000, None)
_SEEDS = range(20)
_RATES = (0.01, 0.05)
_INPAINTED = 1000
_ASKED_FOR, _FEW, _DRAWS = 1000, 100, 5
_FEW_EPOCHS = {"M2": 12, "M1+M2": 60}
# Digits that are hard to find, for the choice of the weights.
_HELD_OUT = (1, 4, 7, 9)


def leave_one_out():
    """Train without each digit in turn, and find it among the others."""
    (x, y), (test_x, test_y) = mnist()
    rows = []
    for digit in range(10):
        row = {"digit": digit}
        for latent_dim in (32, 2):
            start = time.perf_counter()
            vae, data = train(x[y != digit], latent_dim)
            seconds = time.perf_counter() - start
            learnt, held_out = part_of(data, "train"), part_of(data, "validation")
            learnt = learnt[np.random.default_rng(0).permutation(len(learnt))[:_REFERENCES]]
            sets = {
                "held_out_normal": held_out,
                "held_out_class": x[y == digit],
                "normal": test_x[test_y != digit],
                "abnormal": test_x[test_y == digit],
            }
            binaries = {name: binary(images) for name, images in sets.items()}
            found = scores_of(vae, binary(learnt), binaries, _IMAGE_SCORES)
            found = {
                key: {**scores, "pixel_neighbors": pixel_neighbors(learnt, sets[key])}
                for key, scores in found.items()
            }
            for key, pair in (
                ("chosen_by", ("held_out_normal", "held_out_class")),
                ("test", ("normal", "abnormal")),
            ):
                normal, abnormal = (found[name] for name in pair)
                row[f"{key}_{latent_dim}"] = {
                    name: auroc(normal[name], abnormal[name]) for name in normal
                }
            row[f"seconds_{latent_dim}"] = seconds
        rows.append(row)
        write("leave_one_out", rows)
        print(digit, {name: round(v, 3) for name, v in row["test_32"].items()}, flush=True)


def gibberish():
    """Tell images that are no digits from test digits, by models of binary and of grey pixels."""
    _, (test_x, _) = mnist()
    sets = {"normal": test_x, **gibberish_sets(test_x)}
    grey = kept_model("mnist_32_grey", 32, likelihood=kv.likelihoods.Gaussian("optimal"))
    rows = {}
    for pixels, (vae, data), seen in (
        ("binary", full_model(), binary),
        ("grey", grey, lambda images: images),
    ):
        learnt = seen(part_of(data, "train")[:_REFERENCES])
        given = {name: seen(images) for name, images in sets.items()}
        found = scores_of(vae, learnt, given, _IMAGE_SCORES)
        normal = found.pop("normal")
        rows[pixels] = {
            kind: {name: auroc(normal[name], scores[name]) for name in normal}
            for kind, scores in found.items()
        }
        write("gibberish", rows)
    print(json.dumps(rows, indent=1))


def alarms():
    """Count the false alarms among normal test images, over splits of calibration and test."""
    vae, data = full_model()
    _, (test_x, _) = mnist()
    learnt = binary(part_of(data, "train")[:_REFERENCES])
    scores = -scores_of(vae, learnt, {"test": binary(test_x)}, ["combined"])["test"]["combined"]
    rows = []
    for seed in _SEEDS:
        order = np.random.default_rng(seed).permutation(len(scores))
        calibration, held_out = np.split(scores[order], [len(scores) // 2])
        for rate in _RATES:
            threshold = anomaly.thresholds.conformal(calibration, rate)
            count = int((held_out < threshold).sum())
            rows.append({"seed": seed, "rate": rate, "alarms": count, "n": len(held_out)})
    write("alarms", rows)
    for rate in _RATES:
        print(rate, np.mean([row["alarms"] / row["n"] for row in rows if row["rate"] == rate]))


def tables():
    """Find the rows of other classes among those of the class that was learnt."""
    rows = []
    for name, is_test, split, learnt, others, odd in table_sets():
        both = np.concatenate([others, odd])
        found = table_baselines(learnt, both)
        detector = anomaly.AnomalyDetector(random_state=split).fit(learnt)
        found["keras_vae"] = -detector.score_samples(both)
        sets = {"rows": both.astype("float32")}
        scored = scores_of(detector.vae_, learnt.astype("float32"), sets, _TABLE_SCORES)["rows"]
        count = len(others)
        row = {"table": name, "is_test": is_test, "split": split, "learnt": len(learnt)}
        row["auroc"] = {
            key: auroc(values[:count], values[count:])
            for key, values in {**found, **scored}.items()
        }
        rows.append(row)
        write("tables", rows)
        print(name, {key: round(value, 3) for key, value in row["auroc"].items()}, flush=True)


def weights():
    """Find held-out classes of training images, and of tables, by other weights of the parts."""
    (x, y), _ = mnist()
    rows = []
    for digit in _HELD_OUT:
        vae, data = train(x[y != digit], 32)
        learnt, held_out = part_of(data, "train")[:_REFERENCES], part_of(data, "validation")
        images = [binary(one) for one in (learnt, held_out, x[y == digit])]
        rows.append({"of": "images", "name": digit, "auroc": auroc_by_weights(vae, *images)})
        write("weights", rows)
    for name, is_test, split, *parts in table_sets():
        if not is_test:
            vae = anomaly.AnomalyDetector(random_state=split).fit(parts[0]).vae_
            numbers = [part.astype("float32") for part in parts]
            rows.append({"of": "tables", "name": name, "auroc": auroc_by_weights(vae, *numbers)})
            write("weights", rows)


def probe():
    """Tell digits apart from z, principal components and pixels, by few labels and by many."""
    vae = cluster_model()
    (x, y), (test_x, test_y) = mnist()
    pixels, test_pixels = (images.reshape(len(images), -1) for images in (x, test_x))
    pca = PCA(vae.latent_dim, random_state=0).fit(pixels)

    def embedded(images):
        parts = range(0, len(images), ROWS)
        return np.concatenate([np.asarray(vae.embed(images[i : i + ROWS])) for i in parts])

    kinds = {
        "z": (embedded(x), embedded(test_x)),
        "principal components": (pca.transform(pixels), pca.transform(test_pixels)),
        "pixels": (pixels, test_pixels),
    }
    rows = []
    for count in _LABELS:
        for classifier in ("linear", "knn"):
            for kind, (z, test_z) in kinds.items():
                seeds = range(10 if count else 1)
                values = [
                    kv.latent.probe(z, y, test_z, test_y, classifier, count, seed) for seed in seeds
                ]
                row = {"labels": count, "classifier": classifier, "of": kind, "accuracy": values}
                rows.append(row)
                print(count, classifier, kind, round(float(np.mean(values)), 4), flush=True)
                write("probe", rows)


def denoise():
    """Take gaussian noise of the test images away, and measure what that gains."""
    vae, data = noisy_model()
    clean = mnist()[1][0]
    found = uses_restored.denoised(vae, part_of(data, "train"), clean, NOISE)
    write("denoise", {"strength": NOISE, **found})
    print(json.dumps(found, indent=1))


def inpaint():
    """Fill in right halves of test images, and read their labels."""
    (x, y), (test_x, test_y) = mnist()
    model = uses_restored.classifier(binary(x), y)
    chosen = slice(0, _INPAINTED)
    found = uses_restored.inpainted(full_model()[0], model, binary(test_x[chosen]), test_y[chosen])
    write("inpaint", {"images": _INPAINTED, **found})
    print(json.dumps(found, indent=1))


def compress():
    """Compress all test images without loss, binary and of 8 bits, and with it."""
    test_x = np.rint(mnist()[1][0] * 255).astype("uint8")
    drawn = np.random.default_rng(0).random(test_x.shape) < test_x / 255
    found = {}
    for name, x, model, likelihood, epochs in (
        ("binary", drawn.astype("uint8") * 255, "binary", kv.likelihoods.Bernoulli(), 50),
        ("8 bits", test_x, "levels", kv.likelihoods.DiscretizedLogistic(5), 15),
    ):
        kept = f"mnist_40_{model}"
        options = {"likelihood": likelihood, "epochs": epochs}
        vae = kept_model(kept, 40, make=train_residual, **options)[0]
        found[name] = uses_compressed.without_loss(str(RESULTS / f"{kept}.keras"), vae, x)
        print(name, json.dumps(found[name], indent=1), flush=True)
    found["with loss"] = uses_compressed.with_loss(full_grey(), test_x)
    write("compress", found)
    print(json.dumps(found["with loss"], indent=1))


def condition():
    """Generate digits that are asked for, and read them."""
    learnt, test = mnist()
    model = uses_restored.classifier(*learnt, epochs=15)
    vaes = {"keras_vae": conditional_model(), "keras_vae, KL weighted by 1": conditional_model(1)}
    found = uses_conditioned.asked_for(vaes, model, learnt, test, _ASKED_FOR)
    write("condition", {"images": _ASKED_FOR, "of": found})
    print(json.dumps(found, indent=1))


def m2():
    """Learn to tell digits apart from 100 labels, drawn five times."""
    _few_labels("M2", "m2")


def m1_m2():
    """Learn to tell digits apart from 100 labels and the z of a model that had none."""
    _few_labels("M1+M2", "m1_m2")


def few_alone():
    """Learn to tell digits apart from the same 100 labels by other means."""
    data, test, features = uses_conditioned.few_label_data(), mnist()[1], binary_model()
    rows = []
    for seed in range(_DRAWS):
        found = uses_conditioned.baseline_errors(data, _FEW, seed, test, features)
        rows.append({"seed": seed, "labels": _FEW, "error": found})
        write("few_alone", rows)
        print(json.dumps(rows[-1]), flush=True)


def _few_labels(name, key):
    data, test, features = uses_conditioned.few_label_data(), mnist()[1], binary_model()
    rows = []
    for seed in range(_DRAWS):
        start, epochs = time.perf_counter(), _FEW_EPOCHS[name]
        vae = uses_conditioned.semi_supervised(name, data, features, _FEW, seed, epochs)
        seconds = time.perf_counter() - start
        found = {name: uses_conditioned.test_error(vae, *test, None if name == "M2" else features)}
        rows.append({"seed": seed, "labels": _FEW, "seconds": seconds, "error": found})
        write(key, rows)
        print(json.dumps(rows[-1]), flush=True)


def pictures():
    """Draw what docs/uses.md shows."""
    import uses_pictures

    vae, data = full_model()
    learnt = binary(part_of(data, "train")[:_REFERENCES])
    held_out = binary(part_of(data, "validation"))
    plane = kept_model("mnist_2", 2)[0]
    test = mnist()[1]
    uses_pictures.draw(vae, plane, cluster_model(), test, learnt, held_out)
    uses_pictures.draw_restored(vae, full_grey(), noisy_model()[0], test[0], NOISE)
    uses_pictures.draw_conditioned(conditional_model(), *test)
    uses_pictures.draw_rates(uses_page.load("compress")["with loss"])


def page():
    """Write docs/uses.md from the results."""
    uses_page.write()


PARTS = (leave_one_out, gibberish, alarms, tables, weights, probe, denoise, inpaint, compress)
PARTS += (condition, m2, m1_m2, few_alone, pictures, page)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = {part.__name__: part for part in PARTS}
    parser.add_argument("parts", nargs="*", help=", ".join(names))
    chosen = parser.parse_args().parts or list(names)
    for name in chosen:
        if name not in names:
            parser.error(f"{name!r} is none of {', '.join(names)}")
    for name in chosen:
        names[name]()


if __name__ == "__main__":
    main()
