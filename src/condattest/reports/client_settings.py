"""The lines that send conda, mamba or pixi through a proxy.

Owns `CLIENTS` and `settings`. Each form names the channel as before, so that environments and lock files go on saying
where packages are from, and leaves no other way to it.

    conda   .condarc             https://docs.conda.io/projects/conda/en/stable/user-guide/configuration/settings.html
    mamba   .mambarc             https://mamba.readthedocs.io/en/latest/user_guide/configuration.html
    pixi    .pixi/config.toml    https://pixi.sh/latest/reference/pixi_configuration/#mirror-configuration
"""

import json
from collections.abc import Mapping
from typing import Final, Literal

from condattest.model.channel import Channel

Client = Literal["conda", "mamba", "pixi"]
CLIENTS: Final[tuple[Client, ...]] = ("conda", "mamba", "pixi")


def settings(client: Client, proxy: str, channels: Mapping[str, Channel]) -> str:
    """The lines for one client.

    Args:
        client: Which.
        proxy: The proxy's URL.
        channels: By name, what it serves.
    """
    lines: list[str]
    match client:
        case "conda":
            lines = ["# ~/.condarc", "channels:", *(f"  - {name}" for name in channels), "custom_channels:"]
            lines += [f"  {name}: {proxy}" for name in channels]
            lines += ["allowlist_channels:", *(f"  - {proxy}/{name}" for name in channels)]
        case "mamba":
            lines = ["# ~/.mambarc", "channels:", *(f"  - {name}" for name in channels), "mirrored_channels:"]
            lines += [f"  {name}: [{json.dumps(f'{proxy}/{name}')}]" for name in channels]
        case "pixi":
            lines = ["# .pixi/config.toml, or ~/.pixi/config.toml", "[mirrors]"]
            lines += [f"{json.dumps(each.url)} = [{json.dumps(f'{proxy}/{name}')}]" for name, each in channels.items()]
    return "".join(f"{line}\n" for line in lines)
