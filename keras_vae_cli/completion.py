"""`keras-vae completion`: what a shell has to know to complete the words of a command."""

import click

from keras_vae_cli import look

_SHELLS = ("bash", "zsh", "fish")
_NAME, _VARIABLE = "keras-vae", "_KERAS_VAE_COMPLETE"


@look.command(
    short_help="Print what completes commands in a shell.",
    example="keras-vae completion bash",
    has_json=False,
)
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell):
    """Print the script that completes commands, options and files of keras-vae in SHELL.

    \b
    bash  a line in ~/.bashrc: eval "$(keras-vae completion bash)"
    zsh   a line in ~/.zshrc, after compinit: eval "$(keras-vae completion zsh)"
    fish  keras-vae completion fish > ~/.config/fish/completions/keras-vae.fish
    """
    from click.shell_completion import get_completion_class

    click.echo(get_completion_class(shell)(None, {}, _NAME, _VARIABLE).source())
