"""Fetching what is at a URL: one GET, bounded in time and size. Manifests of static pods come in this way."""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus

from kubeletsim.model.errors import KubeletSimError


class FetchError(KubeletSimError):
    """There is no answer, or none that counts; the text names neither the URL nor the headers, which may be secret."""


async def fetch(url: str, *, headers: Iterable[tuple[str, str]] = (), timeout_seconds: float, max_bytes: int) -> bytes:
    """Return the body of a 200, redirects followed.

    Args:
        url: `http` or `https`, with the machine's certificate authorities; name and password in it are sent along.
        headers: sent too; a name may come several times.
        timeout_seconds: from dialling to the last byte.
        max_bytes: no body is longer.

    Raises:
        FetchError: no such answer.
    """
    # Only a node with a URL to fetch needs the client.
    import aiohttp

    try:
        async with (
            asyncio.timeout(timeout_seconds),
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(url, headers=list(headers)) as answer,
        ):
            if answer.status != HTTPStatus.OK:
                raise FetchError(f"HTTP {answer.status} {answer.reason}")
            content = bytearray()
            async for chunk in answer.content.iter_any():
                content += chunk
                if len(content) > max_bytes:
                    raise FetchError(f"larger than {max_bytes >> 20} MiB")
            return bytes(content)
    except TimeoutError:
        raise FetchError(f"no answer within {timeout_seconds:g} s") from None
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise FetchError("no URL that can be fetched: must be http://… or https://…") from error
    except aiohttp.ClientResponseError as error:  # its own text names the URL
        raise FetchError(error.message or type(error).__name__) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a header that cannot be sent
        raise FetchError(str(error) or type(error).__name__) from error
