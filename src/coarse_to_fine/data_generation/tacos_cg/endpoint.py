"""Asks any OpenAI-compatible chat endpoint for captions: cached, retried, limited in cost; the key is never stored."""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from pydantic import Field

from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.data_generation.tacos_cg import prompt
from coarse_to_fine.errors import CtfError, UserError
from coarse_to_fine.frozen_config import FrozenConfig

MOST_TRIES = 6
TRIED_AGAIN = (408, 429)
LETTERS_A_TOKEN = 4
LONGEST_PAUSE_S = 60.0


class EndpointError(CtfError):
    """The endpoint refused a request or kept failing."""


class EndpointRefusedError(EndpointError):
    """The endpoint refused a request for good (4xx): the next one would be refused as well."""


class CostLimitError(CtfError):
    """The next request would exceed the limit of cost."""


class EndpointConfig(FrozenConfig):
    """Where and how to ask; the key itself stays in the environment."""

    base_url: str = Field(description="address up to and without /v1/chat/completions")
    model: str = Field(description="name of the model at the endpoint")
    key_variable: str = Field(default="OPENAI_API_KEY", description="environment variable that holds the key")
    temperature: float = Field(default=0.7, ge=0, le=2, description="sampling temperature")
    max_tokens: int = Field(default=400, gt=0, description="limit of a reply; doubled once where it was too small")
    timeout_s: float = Field(default=60, gt=0, description="seconds to wait for a reply")
    input_price: float = Field(default=0, ge=0, description="cost of a million input tokens")
    output_price: float = Field(default=0, ge=0, description="cost of a million output tokens")
    max_cost: float | None = Field(default=None, ge=0, description="stop before the run costs more than this")


@dataclass(slots=True)
class Usage:
    """What a run asked for."""

    calls: int = 0
    cached: int = 0
    retries: int = 0
    rejected: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0


class Endpoint:
    """A chat endpoint with a folder of replies beside it."""

    def __init__(
        self, config: EndpointConfig, cache: Path, pause: Callable[[float], None] = time.sleep, seed: int = 0
    ) -> None:
        """Open the cache folder.

        Args:
            config: where and how to ask.
            cache: folder of raw replies, one file a request.
            pause: waits between tries.
            seed: of the jitter.
        """
        if not config.base_url.startswith(("http://", "https://")):
            raise UserError(f"base_url is {config.base_url!r}; expected http://... or https://...")
        self.config = config
        self.usage = Usage()
        self._cache = cache
        self._pause = pause
        self._random = random.Random(seed)
        cache.mkdir(parents=True, exist_ok=True)

    def captions(self, sentences: Sequence[str], count: int, attempt: int = 0) -> list[str]:
        """Captions for one video's sentences; a reply that was cut is asked for again with twice the room.

        Raises:
            EndpointRefusedError: the request was refused (4xx).
            EndpointError: it failed MOST_TRIES times.
            CostLimitError: the limit would be passed.
        """
        body = self.body(sentences, count, self.config.max_tokens)
        reply = self._ask(body, attempt)
        if _was_cut(reply):
            self.usage.rejected += 1
            reply = self._ask(self.body(sentences, count, 2 * self.config.max_tokens), attempt)
        return prompt.parse_reply(reply["choices"][0]["message"]["content"] or "")[:count]

    def body(self, sentences: Sequence[str], count: int, max_tokens: int) -> dict[str, Any]:
        """The JSON of a request."""
        return {
            "model": self.config.model,
            "messages": [{"role": "user", "content": prompt.request_text(sentences, count)}],
            "temperature": self.config.temperature,
            "max_tokens": max_tokens,
        }

    def estimate(self, bodies: Sequence[dict[str, Any]]) -> tuple[int, float]:
        """Input tokens and the highest cost of requests that are not cached."""
        fresh = [body for body in bodies if _stored(self._file(body, 0)) is None]
        tokens = sum(_letters(body) // LETTERS_A_TOKEN for body in fresh)
        return tokens, self._price(tokens, sum(body["max_tokens"] for body in fresh))

    def _ask(self, body: dict[str, Any], attempt: int) -> dict[str, Any]:
        file = self._file(body, attempt)
        stored = _stored(file)
        if stored is not None:
            self.usage.cached += 1
            return stored
        self._check_cost(body)
        reply = self._post(body)
        write_text_atomically(file, json.dumps(reply))
        answer = reply["choices"][0]["message"]["content"] or ""
        spent = _tokens(reply, "prompt_tokens", _letters(body))
        written = _tokens(reply, "completion_tokens", len(answer))
        self.usage.calls += 1
        self.usage.input_tokens += spent
        self.usage.output_tokens += written
        self.usage.cost += self._price(spent, written)
        return reply

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        problem = ""
        for tried in range(MOST_TRIES):
            try:
                return self._send(body)
            except urllib.error.HTTPError as error:
                text = self._shown(error.read())
                if error.code < 500 and error.code not in TRIED_AGAIN:
                    raise EndpointRefusedError(
                        f"the endpoint answered {error.code}: {text}; expected captions; check model, address and the "
                        f"key in {self.config.key_variable}, then run again: answered requests are kept"
                    ) from None
                problem, wait = f"{error.code}: {text}", error.headers.get("Retry-After")
            except (OSError, HTTPException, ValueError, KeyError, IndexError, TypeError) as error:
                problem, wait = f"{type(error).__name__}: {error}", None
            self.usage.retries += 1
            if tried < MOST_TRIES - 1:
                self._pause(self._wait(tried, wait))
        raise EndpointError(
            f"the endpoint failed {MOST_TRIES} times, last {problem}; run again later, finished videos are kept"
        )

    def _send(self, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self.config.key_variable):
            headers["Authorization"] = f"Bearer {key}"
        url = self.config.base_url.rstrip("/") + "/v1/chat/completions"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=self.config.timeout_s) as response:
            reply: dict[str, Any] = json.loads(response.read())
        content = reply["choices"][0]["message"]["content"]
        if content is not None and not isinstance(content, str):
            raise TypeError("the message is no text")
        return reply

    def _shown(self, body: bytes) -> str:
        """The first 200 characters of a refusal on one line, without the key that some endpoints repeat."""
        text = " ".join(body.decode("utf-8", "replace").split())
        key = os.environ.get(self.config.key_variable)
        return (text.replace(key, "<key>") if key else text)[:200]

    def _wait(self, tried: int, told: str | None) -> float:
        if told is not None and told.replace(".", "", 1).isdigit():
            return min(float(told), LONGEST_PAUSE_S)
        return min(2.0**tried * (0.5 + self._random.random()), LONGEST_PAUSE_S)

    def _check_cost(self, body: dict[str, Any]) -> None:
        limit = self.config.max_cost
        if limit is None:
            return
        next_cost = self._price(_letters(body) // LETTERS_A_TOKEN, body["max_tokens"])
        if self.usage.cost + next_cost > limit:
            raise CostLimitError(
                f"{self.usage.cost:.4f} spent, up to {next_cost:.4f} needed for the next video, the limit is {limit}; "
                "raise it and run again, finished videos are kept"
            )

    def _price(self, input_tokens: int, output_tokens: int) -> float:
        return (input_tokens * self.config.input_price + output_tokens * self.config.output_price) / 1e6

    def _file(self, body: dict[str, Any], attempt: int) -> Path:
        key = {"url": self.config.base_url, "prompt_version": prompt.VERSION, "attempt": attempt, **body}
        return self._cache / (hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest() + ".json")


def _stored(file: Path) -> dict[str, Any] | None:
    """The reply in a file of the cache; None where there is none or not all of it."""
    try:
        reply = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return reply if isinstance(reply, dict) else None


def _was_cut(reply: dict[str, Any]) -> bool:
    return bool(reply["choices"][0].get("finish_reason") == "length")


def _tokens(reply: dict[str, Any], name: str, letters: int) -> int:
    """Tokens as the endpoint counted them, else by the letters of the text."""
    usage = reply.get("usage")
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int and count >= 0 else letters // LETTERS_A_TOKEN


def _letters(body: dict[str, Any]) -> int:
    return sum(len(message["content"]) for message in body["messages"])
