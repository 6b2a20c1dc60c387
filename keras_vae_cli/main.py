"""The entry point: the commands, and what becomes of an error."""

import errno
import os
import signal
import sys
import warnings

import click

from keras_vae_cli import (
    compact,
    completion,
    doctor,
    document,
    explore,
    export,
    exported,
    images,
    launch,
    look,
    output,
    restore,
    train,
    use,
    web,
    work,
)

_USAGE, _FAILURE, _INTERRUPTED = 2, 1, 130
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


@click.group(
    cls=look.Sections,
    context_settings={"help_option_names": ["-h", "--help"]},
    options_metavar="",
    example=(
        "keras-vae train digits --out run",
        "keras-vae generate run -n 64 --seed 7 --out grid.png",
    ),
)
@click.version_option(package_name="keras-vae", message="keras-vae %(version)s")
def cli():
    """Train variational autoencoders, evaluate and use them, and export them to other runtimes.

    `keras-vae COMMAND --help` has the options of a command, and an example.
    """


for title, commands in {
    "Train": (train.train, launch.launch),
    "Use": (*images.COMMANDS, *work.COMMANDS),
    "Look": (*use.COMMANDS, *explore.COMMANDS),
    "Restore": restore.COMMANDS,
    "Compress": compact.COMMANDS,
    "Export": (export.export,),
    "Help": (doctor.doctor, completion.completion),
}.items():
    cli.add_section(title, commands)
for command in (*exported.COMMANDS, *web.COMMANDS):
    export.export.add_command(command)


def main():
    """Run the command line; exit 2 for wrong arguments or input, 1 for a failure."""
    # TensorFlow's notes on its own start-up are not the user's concern.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.showwarning = lambda text, *_: look.say_warning(text)
    # A user's own choice of a window system has no say in pictures that go to files.
    os.environ["MPLBACKEND"] = "Agg"
    launch.end_with_launcher()
    # Imports swallow exceptions, and there is nothing to clean up yet.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(output.TERMINATED))
    with document.collecting() as told:
        status = _run()
        try:
            told.end(status)
            # Here a reader that has gone, such as `head`, can be seen to.
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            status = _write_no_more()
    sys.exit(status)


def _run():
    """Run the command, say what went wrong, and return the status to exit with."""
    try:
        # Without its standalone mode, click returns the status that a command exits with.
        return cli.main(prog_name="keras-vae", standalone_mode=False, color=look.color()) or 0
    except SystemExit as end:
        # SIGTERM, and the completion of a shell.
        return end.code or 0
    except getattr(click.exceptions, "NoArgsIsHelpError", ()) as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        look.say_usage_error(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        look.say_error("Interrupted.")
        return _INTERRUPTED
    except BrokenPipeError:
        return _write_no_more()
    except Exception as error:
        if os.environ.get("KERAS_VAE_TRACEBACK"):
            raise
        text, status = _explain(error)
        look.say_error(text)
        return status


def _write_no_more():
    """Have Python write what is left to nobody, who reads it, and return the status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _FAILURE


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
        text = f"{error.filename}: {error.strerror}."
        if error.errno in _FORBIDDEN:
            text += " Choose another place, or change who may write and read there."
        return text, _USAGE if is_usage else _FAILURE
    if isinstance(error, (ValueError, FileNotFoundError)):
        return str(error), _USAGE
    return f"{error or type(error).__name__}", _FAILURE


def _chain(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_full(error):
    return getattr(error, "errno", None) in _FULL or "No space left on device" in str(error)
