"""What an exported file says of itself: JSON inside the file, read back with light libraries."""

import hashlib
import io
import json
import pathlib
import zipfile

KEY = "keras_vae"
# The name of the JSON inside a TFLite file, which is a zip archive too, and in a SavedModel.
ENTRY = "keras_vae.json"
SAVED_MODEL_ENTRY = f"assets.extra/{ENTRY}"


def dump(about):
    """Return the metadata as JSON."""
    return json.dumps(about, indent=1, sort_keys=True)


def append(path, about):
    """Append the metadata to a TFLite file as a zip entry, with the hash of what stands before.

    Args:
        path: `pathlib.Path` of the file.
        about: dict.
    """
    content = path.read_bytes()
    about = {**about, "content_sha256": hashlib.sha256(content).hexdigest()}
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        # Without a time, so that equal exports are equal files.
        archive.writestr(zipfile.ZipInfo(ENTRY), dump(about))


def read_tflite(path):
    """Return the metadata of a TFLite file, or None if it has none.

    Raises:
        ValueError: if the file is not what it was when it was written.
    """
    content = pathlib.Path(path).read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            about = json.loads(archive.read(ENTRY))
            size = min(info.header_offset for info in archive.infolist())
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        if ENTRY.encode() in content:
            raise ValueError("its end is missing or damaged") from error
        return None
    if hashlib.sha256(content[:size]).hexdigest() != about.get("content_sha256"):
        raise ValueError("its content has changed since it was written")
    return about


def read_saved_model(path):
    """Return the metadata of a SavedModel folder, or None if it has none.

    Raises:
        ValueError: if they are damaged.
    """
    file = pathlib.Path(path) / SAVED_MODEL_ENTRY
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
