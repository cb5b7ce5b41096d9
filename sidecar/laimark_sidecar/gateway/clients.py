"""What a client is called in the journal and in rules about it."""

from __future__ import annotations

import re

from laimark_sidecar.gateway.observing import Head

NAME_HEADER = "x-laimark-client"
_LONGEST = 100
_PRODUCT = re.compile(r"([^\s/()]+)(?:/([^\s()]+))?")
_UNFIT = re.compile(r"[^a-z0-9._-]+")
_LANGUAGES = frozenset({"python", "node", "go-http-client", "java"})


def client_of(head: Head) -> str:
    """Return the client's name: what it calls itself in `X-Laimark-Client`, else the product of its User-Agent.

    Lower case, without a version, so that a rule outlives an update: `curl/8.5` is `curl`, `OpenAI/Python 2.1` and
    `AsyncOpenAI/Python 2.1` are `openai-python`, `Python/3.12 aiohttp/3.11` is `aiohttp`. Empty where nothing is said.
    """
    named = _fit(head.header(NAME_HEADER))
    if named:
        return named
    if any(name.startswith("x-openwebui-") for name, _ in head.headers):
        return "open-webui"
    products = _PRODUCT.findall(head.header("user-agent")[:1000])
    names = [_fit(_product(name, version)) for name, version in products]
    own = [name for name in names if name and name not in _LANGUAGES]
    return next(iter(own or names), "")


def _product(name: str, version: str) -> str:
    """Return a product's name; the SDKs of OpenAI and Anthropic put their language where the version stands."""
    if version[:1].isalpha():
        return f"{name.removeprefix('Async')}-{version}"
    return name


def _fit(name: str) -> str:
    return _UNFIT.sub("-", name.strip().lower()).strip("-")[:_LONGEST]
