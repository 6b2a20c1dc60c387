"""The model card of a run: what was trained, on what, how well, and what it is good for."""

import re

_NUMBERS = {
    "elbo": ("test ELBO", "nats per example"),
    "nll": ("importance-weighted test NLL", "nats per example"),
    "annealed_nll": ("NLL by annealing, of the first {annealed_n}", "nats per example"),
    "rate": ("rate, the KL", "nats per example"),
    "distortion": ("distortion, -E[log p(x given z)]", "nats per example"),
    "mutual_information": ("information of z about x", "nats per example"),
    "marginal_kl": ("KL of the aggregate posterior q(z) and the prior", "nats"),
    "bits_per_dim": ("NLL in bits", "bits per dimension"),
    "accuracy": ("accuracy of the classifier q(y given x)", "of the labelled examples"),
    "frechet_distance": ("Frechet distance of {frechet_images} generated images, not FID", ""),
    "frechet_distance_of_real": ("the same of as many real images", ""),
    "classifier_accuracy": ("accuracy of the classifier that this distance uses", "of the images"),
    "active_units": ("active latent units", "of {latent_dim}"),
    "effective_samples": ("draws that the importance weights are worth", "of {num_samples}"),
}
_PIXELS = {
    "none": "Pixels are floats from 0 to 1.",
    "threshold": "Pixels above 0.5 of the range are 1, the others 0.",
    "dynamic": "Each pixel is drawn to be 0 or 1 with its value as the probability: anew in each "
    "epoch of training, once and for all for validation and test.",
}
_PICTURES = {
    "samples.png": ("Samples", "Generated with the seed {seed}"),
    "reconstructions.png": (
        "Reconstructions",
        "Test images, and the reconstruction of each below it",
    ),
    "history.png": ("Curves of training", "The loss and its parts over the epochs of training"),
}
_LIMITS = """\
- The model knows the {examples} it was trained on and nothing else; what it generates resembles
  them, with their gaps and biases.
- Its numbers are those of the test part of the same source; elsewhere they can be worse.
- ELBO and NLL are bounds on log p(x), estimated from finitely many draws. A likelihood says how
  well an example fits the model, and simple ones can fit well without being like the training data.
- It takes {shapes} alone.
- Do not use it for a decision about people."""


def model_card(name, config, metrics, pictures=(), has_files=True):
    """Return the model card as Markdown.

    Args:
        name: str, the run's name.
        config: dict, the run's configuration.
        metrics: dict, the run's metrics; may be empty.
        pictures: names of the run's pictures that there are.
        has_files: bool, whether the card stands beside the model and the pictures; without, as in
            an export, it does not speak of them.
    """
    sections = [
        _front_matter(config),
        f"# {cell(name)}: a variational autoencoder of {_source(config)}",
    ]
    sections += _endings(config["training"])
    if has_files:
        shown = [_picture(file, config) for file in _PICTURES if file in pictures]
        sections += ["## Samples", *shown] if shown else []
    sections += ["## Intended use", _intended(config)]
    sections += ["## Numbers", _numbers(metrics, _examples(config))]
    sections += [metrics[key] for key in ("note", "warning", "aggregate_note") if key in metrics]
    sections += ["## Data", _data(config), "### Preprocessing", _preprocessing(config)]
    sections += ["## Architecture", _architecture(config), "### Settings", _table(config["model"])]
    training = {"seed": config.get("seed"), **config["training"]}
    training["seconds, with validation"] = training.pop("seconds", None)
    sections += ["## Training", _table(training)]
    if has_files:
        sections += ["## Use", _use(config)]
    shapes = " and ".join(filter(None, (_shape(config), _range(config)))) or "such examples"
    sections += ["## Limits", _LIMITS.format(examples=_examples(config), shapes=shapes)]
    if config.get("versions"):
        versions = [f"- {package} {version}" for package, version in config["versions"].items()]
        sections += ["## Versions", "\n".join(versions)]
    return "\n\n".join(sections) + "\n"


def cell(value):
    """Return a value as Markdown text that stands for itself, in a cell of a table too."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value))
    if isinstance(value, float):
        # 0.1 + 0.2 as 0.3: what is behind the digits that were given is rounding.
        value = float(f"{value:.10g}")
    # In words such as latent_dim an underscore stands for itself.
    text = re.sub(r"([\\`*\[\]<>|~$#]|(?<!\w)_|_(?!\w))", r"\\\1", str(value))
    return " ".join(text.split())


def _front_matter(config):
    """Return the head that model hubs read: only what is known, so no licence and no data set."""
    lines = ["library_name: keras_vae"]
    if _is_image(config) and not config["model"].get("classes"):
        lines.append("pipeline_tag: unconditional-image-generation")
    tags = ["keras", "tensorflow", "variational-autoencoder"]
    return "\n".join(["---", *lines, "tags:", *(f"- {tag}" for tag in tags), "---"])


def _source(config):
    return cell(config["data"]["source"])


def _facts(config):
    return config.get("examples") or {}


def _is_image(config):
    return len(_facts(config).get("event_shape", ())) == 3


def _examples(config):
    return "rows" if _facts(config).get("columns") else "images"


def _shape(config):
    """Return the shape of an example in words, or nothing where it is not known."""
    facts = _facts(config)
    if facts.get("columns"):
        return f"rows of {len(facts['columns'])} columns"
    side = "x".join(map(str, facts.get("event_shape", ())))
    return side and f"images of {side}"


def _range(config):
    if not _is_image(config):
        return ""
    return "pixels of 0 and 1" if _facts(config).get("is_binary") else "pixels from 0 to 1"


def _endings(training):
    """Say it where the training did not end as it should."""
    if training.get("interrupted"):
        yield "Training was interrupted: this is what had been learnt by then."
    if training.get("not_finite_in_epoch"):
        yield (
            "Training stopped because the loss was no longer finite in epoch "
            f"{training['not_finite_in_epoch']}: the weights are those from before it."
        )


def _picture(file, config):
    title, caption = _PICTURES[file]
    caption = caption.format(seed=config.get("seed"))
    if file == "samples.png" and config["model"].get("classes"):
        caption += "; a row for each class, in their order, all rows from the same z"
    return f"![{title}]({file})\n\n{caption}."


def _intended(config):
    examples, classes = _examples(config), config["model"].get("classes")
    uses = f"To generate {examples} like those of {_source(config)}"
    if classes:
        uses += f" of a class that is asked for ({cell(classes)})"
    if config["model"].get("labelled"):
        uses += ", to tell their class"
    return (
        f"{uses}, and to encode, reconstruct and score {examples} of the same kind. "
        "Whether it is good enough for a purpose, the numbers and the pictures tell."
    )


def _numbers(metrics, examples):
    if not metrics:
        return "None: the model was not evaluated. `keras-vae evaluate` does it."
    rows = ["| measure | value | unit |", "|---|---|---|"]
    for key, (words, unit) in _NUMBERS.items():
        if key not in metrics:
            continue
        value = metrics[key]
        places = 4 if key == "bits_per_dim" else 2
        text = f"{value}" if isinstance(value, int) else f"{value:.{places}f}"
        error = metrics.get(f"{key}_standard_error")
        text += f" ± {error:.2f}" if error is not None else ""
        rows.append(f"| {words.format(**metrics)} | {text} | {unit.format(**metrics)} |")
    draws = (
        f"Over {metrics['n']} test {examples} with {metrics['num_samples']} draws of z each, "
        f"seed {metrics['seed']}; ± is one standard error over the {examples}."
    )
    return "\n".join(rows) + f"\n\n{draws}"


def _data(config):
    facts = _facts(config)
    parts = {f"{part} {_examples(config)}": facts.get(part) for part in ("train", "validation")}
    parts["test " + _examples(config)] = facts.get("test")
    known = {
        "source": config["data"]["source"],
        **parts,
        "left out as unreadable": facts.get("skipped") or None,
        "examples": _shape(config) or None,
        "columns": facts.get("columns"),
        "classes of the source": facts.get("classes"),
        "classes": config["model"].get("classes"),
        "CRC-32 of the training part, of a sample where it is streamed": facts.get("crc32"),
    }
    return _table(known)


def _preprocessing(config):
    given = {key: value for key, value in config["data"].items() if key != "source"}
    if _facts(config).get("columns"):
        words = (
            "Texts are categories, and what is missing is NaN. Scales and categories were learnt "
            "from the training rows and are in the model."
        )
    else:
        words = _PIXELS.get(given.get("binarize"), _PIXELS["none"])
        if given.get("image_size"):
            words = f"Images are resized to {_size(given['image_size'])} in 8 bits. {words}"
        if given.get("color_mode"):
            words = f"Images are converted to {cell(given['color_mode'])}. {words}"
    noise = config["model"].get("noise", "none")
    if noise != "none":
        words += f" In training the encoder sees the images with noise: {cell(noise)}."
    return f"{words}\n\n{_table(given)}"


def _size(size):
    return "x".join(map(str, size)) if isinstance(size, list | tuple) else f"{size}x{size}"


def _architecture(config):
    networks = config.get("networks")
    if not networks:
        return "The settings tell of it."
    rows = ["| part | class | layers with weights | parameters |", "|---|---|---|---|"]
    for part, found in networks.items():
        layers = ", ".join(f"{count} {kind}" for kind, count in found["layers"].items())
        rows.append(
            f"| {part} | {cell(found['class'])} | {cell(layers) or '-'} | {found['parameters']:,} |"
        )
    total = sum(found["parameters"] for found in networks.values())
    size = config["model"].get("latent_dim")
    latent = "" if size is None else f"z has {size} numbers. "
    return "\n".join(rows) + f"\n\n{latent}All parts have {total:,} parameters."


def _table(section):
    rows = ["| setting | value |", "|---|---|"]
    rows += [
        f"| {key} | {cell(value)} |"
        for key, value in section.items()
        if value is not None and value != []
    ]
    return "\n".join(rows)


def _use(config):
    label = ", label=0" if config["model"].get("classes") else ""
    examples = _examples(config)
    suffix = "csv" if examples == "rows" else "png"
    return f"""\
```python
import keras, keras_vae

vae = keras.models.load_model("model.keras")
{examples} = vae.generate(16, seed=7{label})
```

Or `keras-vae generate . -n 64 --seed 7 --out more.{suffix}` in this folder."""
