"""The model card of a run: what was trained, on what, how well, and what it is good for."""

_NUMBERS = {
    "elbo": ("test ELBO", "nats per example"),
    "nll": ("importance-weighted test NLL", "nats per example"),
    "rate": ("rate, the KL", "nats per example"),
    "distortion": ("distortion, -E[log p(x given z)]", "nats per example"),
    "bits_per_dim": ("NLL in bits", "bits per dimension"),
    "accuracy": ("accuracy of the classifier q(y given x)", "of the labelled examples"),
    "active_units": ("active latent units", "of"),
}

_LIMITS = """\
The model knows the images it was trained on and nothing else; what it generates resembles them,
with their gaps and biases. A likelihood says how well an image fits the model, and simple images
can fit well without being like the training data. Do not use it for a decision about people."""


def model_card(name, config, metrics):
    """Return the model card as Markdown.

    Args:
        name: str, the run's name.
        config: dict, the run's configuration.
        metrics: dict, the run's metrics; may be empty.
    """
    sections = [f"# {name}: a variational autoencoder of {_source(config)}"]
    if config["training"].get("interrupted"):
        sections.append("Training was interrupted: this is what had been learnt by then.")
    if config["training"].get("not_finite_in_epoch"):
        sections.append(
            "Training stopped because the loss was no longer finite in epoch "
            f"{config['training']['not_finite_in_epoch']}: the weights are those from before it."
        )
    if metrics:
        sections += ["## Numbers", _numbers(metrics)]
        if "note" in metrics:
            sections.append(metrics["note"])
    for title in ("data", "model", "training"):
        sections += [f"## {title.capitalize()}", _table(config[title])]
    sections += ["## Use", _use(), "## Limits", _LIMITS]
    return "\n\n".join(sections) + "\n"


def _source(config):
    return config["data"]["source"]


def _numbers(metrics):
    rows = ["| measure | value | unit |", "|---|---|---|"]
    for key, (words, unit) in _NUMBERS.items():
        if key not in metrics:
            continue
        value = metrics[key]
        text = f"{value}" if isinstance(value, int) else f"{value:.2f}"
        error = metrics.get(f"{key}_standard_error")
        text += f" ± {error:.2f}" if error is not None else ""
        unit = f"of {metrics['latent_dim']}" if key == "active_units" else unit
        rows.append(f"| {words} | {text} | {unit} |")
    draws = (
        f"Over {metrics['n']} test images with {metrics['num_samples']} draws of z each, "
        f"seed {metrics['seed']}; ± is one standard error over the images."
    )
    return "\n".join(rows) + f"\n\n{draws}"


def _table(section):
    rows = ["| setting | value |", "|---|---|"]
    rows += [f"| {key} | {value} |" for key, value in section.items() if value is not None]
    return "\n".join(rows)


def _use():
    return """\
```python
import keras, keras_vae

vae = keras.models.load_model("model.keras")
images = vae.generate(16, seed=7)
```"""
