"""The entry point: the commands, and what becomes of an error."""

import errno
import os
import signal
import sys
import warnings

import click

from keras_vae_cli import (
    compact,
    explore,
    export,
    images,
    launch,
    output,
    restore,
    train,
    use,
    web,
    work,
)

_USAGE, _FAILURE, _INTERRUPTED = 2, 1, 130
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="keras-vae", message="keras-vae %(version)s")
def cli():
    """Train variational autoencoders, evaluate and use them, and export them to other runtimes."""


_COMMANDS = (*use.COMMANDS, *work.COMMANDS, *images.COMMANDS, *explore.COMMANDS)
_COMMANDS += (*restore.COMMANDS, *compact.COMMANDS)
for command in (train.train, launch.launch, *_COMMANDS, export.export):
    cli.add_command(command)
for command in web.COMMANDS:
    export.export.add_command(command)


def main():
    """Run the command line; exit 2 for wrong arguments or input, 1 for a failure."""
    # TensorFlow's notes on its own start-up are not the user's concern.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.showwarning = lambda text, *_: click.echo(f"Warning: {text}", err=True)
    # A user's own choice of a window system has no say in pictures that go to files.
    os.environ["MPLBACKEND"] = "Agg"
    launch.end_with_launcher()
    # Imports swallow exceptions, and there is nothing to clean up yet.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(output.TERMINATED))
    try:
        # Without its standalone mode, click returns the status that a command exits with.
        sys.exit(cli.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _fail("Interrupted.", _INTERRUPTED)
    except Exception as error:
        if os.environ.get("KERAS_VAE_TRACEBACK"):
            raise
        _fail(*_explain(error))


def _explain(error):
    """Return the message and the exit status of an exception."""
    chain = list(_chain(error))
    if any(_is_full(link) for link in chain):
        return (
            "There is no space left to write to. Free some, or choose another place with --out. "
            "What was there before is untouched.",
            _FAILURE,
        )
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return (
            "There is not enough memory for this. Choose a smaller --batch-size, --latent-dim, "
            "--image-size or number of images.",
            _FAILURE,
        )
    if isinstance(error, OSError) and error.errno and error.filename:
        is_usage = isinstance(error, (FileNotFoundError, FileExistsError, NotADirectoryError))
        return f"{error.filename}: {error.strerror}.", _USAGE if is_usage else _FAILURE
    if isinstance(error, (ValueError, FileNotFoundError)):
        return str(error), _USAGE
    return f"{error or type(error).__name__}", _FAILURE


def _chain(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_full(error):
    return getattr(error, "errno", None) in _FULL or "No space left on device" in str(error)


def _fail(text, status):
    click.echo(f"Error: {text}", err=True)
    sys.exit(status)
