import tomllib
from pathlib import Path

import pytest
import yaml

from condattest.model.channel import Channel
from condattest.reports.client_settings import CLIENTS, settings

PROXY = "http://127.0.0.1:8080"
CHANNELS = {"conda-forge": Channel("https://conda.anaconda.org/conda-forge"), "mine": Channel("https://c.example/mine")}


def test_conda_finds_each_channel_at_the_proxy_and_no_other():
    assert yaml.safe_load(settings("conda", PROXY, CHANNELS)) == {
        "channels": ["conda-forge", "mine"],
        "custom_channels": {"conda-forge": PROXY, "mine": PROXY},
        "allowlist_channels": [f"{PROXY}/conda-forge", f"{PROXY}/mine"],
    }


def test_mamba_has_the_proxy_for_its_only_mirror():
    assert yaml.safe_load(settings("mamba", PROXY, CHANNELS)) == {
        "channels": ["conda-forge", "mine"],
        "mirrored_channels": {"conda-forge": [f"{PROXY}/conda-forge"], "mine": [f"{PROXY}/mine"]},
    }


def test_pixi_has_the_proxy_for_its_only_mirror():
    assert tomllib.loads(settings("pixi", PROXY, CHANNELS)) == {
        "mirrors": {
            "https://conda.anaconda.org/conda-forge": [f"{PROXY}/conda-forge"],
            "https://c.example/mine": [f"{PROXY}/mine"],
        }
    }


@pytest.mark.parametrize("client", CLIENTS)
def test_the_lines_end(client):
    assert settings(client, PROXY, CHANNELS).endswith("\n")


@pytest.mark.parametrize("client", CLIENTS)
def test_the_readme_shows_these_lines(client):
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    assert settings(client, PROXY, {"conda-forge": CHANNELS["conda-forge"]}) in readme
