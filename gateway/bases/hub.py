"""The public model hub as a source of base models: plain HTTP downloads that resume where they stopped."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from gateway.bases.catalogue import Base
from gateway.bases.report import Report
from gateway.bases.sources import SourceUnavailable

#: The ecosystem's own variables: a mirror's address, and "do not go to the network".
ENDPOINT_VARIABLE = "HF_ENDPOINT"
OFFLINE_VARIABLE = "HF_HUB_OFFLINE"
DEFAULT_ENDPOINT = "https://huggingface.co"
ATTEMPTS = 3


class Hub:
    """``<endpoint>/<id>/resolve/<revision>/<file>``, where the endpoint is ``HF_ENDPOINT`` or the public hub."""

    name = "model hub"

    def provide(self, base: Base, files: Sequence[str], into: Path, downloads: Path, report: Report) -> None:
        if base.hub is None:
            raise SourceUnavailable("bases.yaml names no hub id")
        if os.environ.get(OFFLINE_VARIABLE, "").upper() in {"1", "ON", "YES", "TRUE"}:
            raise SourceUnavailable(f"{OFFLINE_VARIABLE} is set")
        endpoint = (os.environ.get(ENDPOINT_VARIABLE) or DEFAULT_ENDPOINT).rstrip("/")
        timeout = httpx.Timeout(60, connect=15)
        # identity: byte ranges and sizes are those of the file itself.
        headers = {"accept-encoding": "identity"}
        with httpx.Client(follow_redirects=True, timeout=timeout, headers=headers) as client:
            for name in files:
                url = f"{endpoint}/{base.hub.id}/resolve/{base.hub.revision}/{name}"
                part = downloads / f"{name}.part"
                _download(client, url, part, base.files[name].bytes, report)
                shutil.move(part, into / name)


def _download(client: httpx.Client, url: str, part: Path, size: int, report: Report) -> None:
    """Fill ``part`` up to ``size`` bytes, going on from what is there; tries again when the connection breaks."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(client, url, part, size, report)
            return
        except httpx.HTTPStatusError as error:
            raise SourceUnavailable(f"{url}: HTTP {error.response.status_code}") from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise SourceUnavailable(f"{url}: {_reason(error)}") from error
        except httpx.HTTPError as error:
            if attempt == ATTEMPTS:
                raise SourceUnavailable(f"{url}: {_reason(error)}") from error
            report.say(f"  connection lost ({_reason(error)}); going on")
            time.sleep(attempt)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _receive(client: httpx.Client, url: str, part: Path, size: int, report: Report) -> None:
    done = part.stat().st_size if part.exists() else 0
    if done > size:
        part.unlink()
        done = 0
    if done == size:
        return
    headers = {"range": f"bytes={done}-"} if done else {}
    with client.stream("GET", url, headers=headers) as response:
        response.raise_for_status()
        resumes = response.status_code == 206 and response.headers.get("content-range", "").startswith(f"bytes {done}-")
        if not resumes:
            done = 0
        with part.open("ab" if resumes else "wb") as target, report.bar(part.stem, size, done) as bar:
            for chunk in response.iter_bytes():
                target.write(chunk)
                bar.update(len(chunk))
                done += len(chunk)
                if done > size:
                    break  # not the file we want; its digest will say so
    if done < size:
        raise httpx.ReadError(f"the answer ended after {done} of {size} bytes")
