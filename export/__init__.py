"""Take a trained VAE to other runtimes, and run what was exported.

Nothing is imported before it is used: `load` brings no TensorFlow to run a `.tflite` file.

Example:

```python
from export import export, load

export(vae, "exported", formats=("saved_model", "tflite"))
image, z = load("exported/tflite/model_float32.tflite").generate(seed=[7])
```
"""

import importlib

_MODULES = {
    "export": "export.exporter",
    "load": "export.runtimes",
    "web": "export.site",
    "VerificationError": "export.verify",
}

__all__ = ["VerificationError", "export", "load", "web"]


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__():
    return sorted({*globals(), *_MODULES})
