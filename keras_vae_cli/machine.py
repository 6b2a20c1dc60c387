"""What keras-vae finds on a machine beside its packages: devices, settings, folders, tools."""

import json
import os
import pathlib
import shutil
import tempfile

from keras_vae_cli.packages import Item

# A run, an export and a package that is installed anew need about so much, in bytes.
_LITTLE_SPACE = 2e9
_SETTINGS = {"backend": "tensorflow", "floatx": "float32", "image_data_format": "channels_last"}
_TOOLS = {
    "node": ("export web without a network", "https://nodejs.org"),
    "npm": ("export web without a network", "https://nodejs.org"),
    "docker": ("TensorFlow Serving in a container", "https://docs.docker.com/get-docker"),
    "tensorflow_model_server": (
        "TensorFlow Serving without Docker",
        "https://www.tensorflow.org/tfx/serving/setup",
    ),
}


def devices(found):
    """Return the `Item`s of the processors and memory, and of what TensorFlow computes on.

    Args:
        found: list of dicts, of `keras_vae_cli.probe`.
    """
    items = [Item("memory", "ok", f"{_in_words(_memory())}, {_cores()} cores for this process")]
    for device in found:
        words = "XLA compiles for it"
        fix, state = "", "ok"
        if device["xla_error"]:
            state, words = "wrong", f"XLA does not compile for it: {device['xla_error']}"
            extra = "[and-cuda]" if device["kind"] == "GPU" else ""
            fix = f"pip install --force-reinstall 'tensorflow{extra}'"
        items.append(Item(device["name"].rpartition("device:")[2], state, words, fix, needed=False))
    sees_one = any(device["kind"] == "GPU" for device in found)
    if found and not sees_one and os.path.exists("/dev/nvidia0"):
        words = "there is one, and TensorFlow does not see it"
        items.append(Item("GPU", "wrong", words, "pip install 'tensorflow[and-cuda]'", False))
    return items


def settings():
    """Return the `Item`s of how Keras is set up, by variables and by its file keras.json."""
    folder = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    path = pathlib.Path(folder) / "keras.json"
    given = {}
    if path.exists():
        try:
            given = json.loads(path.read_text(encoding="utf-8"))
            given = given if isinstance(given, dict) else {}
        except (OSError, ValueError) as error:
            # Keras does not heed it then.
            fix = f"remove {path}: Keras makes a new one"
            return [Item("keras.json", "wrong", f"cannot be read: {error}", fix, needed=False)]
    found = {name: (given.get(name, value), f"in {path}") for name, value in _SETTINGS.items()}
    for name in ("backend", "floatx"):
        variable = f"KERAS_{name.upper()}"
        if os.environ.get(variable):
            found[name] = os.environ[variable], f"by {variable}"
    items = []
    for name, (value, where) in found.items():
        wanted = _SETTINGS[name]
        if value == wanted:
            items.append(Item(name, "ok", str(value)))
            continue
        fix = f"set {name} to {wanted} {where}" if path.name in where else f"unset {where[3:]}"
        items.append(Item(name, "wrong", f"{value} {where}, where {wanted} is wanted", fix))
    return items


def folders():
    """Return the `Item`s of where data sets lie, and of the room to write."""
    given = os.environ.get("TFDS_DATA_DIR")
    path = pathlib.Path(given or "~/tensorflow_datasets").expanduser()
    items = [_data_sets(path, given)]
    for name, place in (("here", os.getcwd()), ("temporary files", tempfile.gettempdir())):
        free = shutil.disk_usage(place).free
        words = f"{place}, {_in_words(free)} free"
        if not os.access(place, os.W_OK):
            fix = "work in another folder" if name == "here" else "export TMPDIR=FOLDER"
            items.append(Item(name, "wrong", f"{place} cannot be written to", fix, name != "here"))
        elif free < _LITTLE_SPACE:
            fix = (
                "free some, or name another folder with --out"
                if name == "here"
                else ("export TMPDIR=FOLDER with more room")
            )
            items.append(Item(name, "wrong", words, fix, needed=False))
        else:
            items.append(Item(name, "ok", words))
    return items


def tools():
    """Return the `Item`s of programs that some commands can use."""
    items = []
    for name, (use, source) in _TOOLS.items():
        path = shutil.which(name)
        words = path or f"not installed  {use}"
        items.append(Item(name, "ok" if path else "missing", words, "" if path else source, False))
    return items


def _data_sets(path, given):
    name = "data sets"
    if not path.is_dir():
        fix = "export TFDS_DATA_DIR=FOLDER, one that exists" if given else ""
        words = f"{path} does not exist" + ("" if given else " yet: the first download makes it")
        return Item(name, "wrong" if given else "ok", words, fix, needed=False)
    try:
        found = sorted({_data_set(path, info) for info in path.glob("*/**/dataset_info.json")})
    except OSError as error:
        return Item(name, "wrong", f"{path}: {error.strerror}", f"chmod -R u+rX {path}", False)
    held = ", ".join(filter(None, found)) or "no image set"
    writable = "" if os.access(path, os.W_OK) else ", read-only"
    return Item(name, "ok", f"{path}{writable}: {held}", needed=False)


def _data_set(path, info):
    """Return the name of a prepared image set, or "" of one that holds no images."""
    features = info.parent / "features.json"
    is_of_images = features.exists() and "image_feature" in features.read_text(encoding="utf-8")
    # The last folder is the version.
    return "/".join(info.relative_to(path).parts[:-2]) if is_of_images else ""


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory():
    """Return the bytes of memory that this process may use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # A container has a limit of its own.
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return min(total, int(pathlib.Path(path).read_text()))
        except (OSError, ValueError):
            continue
    return total


def _in_words(size):
    from export import trees

    return trees.in_words(size)
