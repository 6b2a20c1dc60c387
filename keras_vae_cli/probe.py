"""Import packages and try devices in a process of its own, which they may end: for `doctor`.

Run as `python -m keras_vae_cli.probe MODULE...`; prints a line of JSON after each module.
"""

import importlib
import json
import os
import sys

_TENSORFLOW = "tensorflow"


def _try(module):
    """Return what there is to say of a module: where it lies, and its error or None."""
    try:
        found = importlib.import_module(module)
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    told = {"error": None}
    if module == _TENSORFLOW:
        try:
            told["devices"] = [
                _device(found, device) for device in found.config.list_logical_devices()
            ]
        except Exception as error:
            told["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
    return told


def _device(tensorflow, device):
    """Return the name of a device and whether XLA compiles for it."""

    def double(x):
        return 2.0 * x

    try:
        with tensorflow.device(device.name):
            compiled = tensorflow.function(double, jit_compile=True)
            value = float(compiled(tensorflow.constant(3.0)))
        error = None if value == 6.0 else f"2 * 3 came out as {value}"
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}".splitlines()[0]
    return {"name": device.name, "kind": device.device_type, "xla_error": error}


def main(modules):
    """Try modules one after the other."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # What packages print as they are imported is no answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for module in modules:
        print(json.dumps({"module": module, **_try(module)}), file=answers, flush=True)
    # Some packages hang or crash at the end of a process; all has been said.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
