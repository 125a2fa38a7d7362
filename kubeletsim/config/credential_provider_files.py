"""The reader of CredentialProviderConfig: one file, or a directory of them whose providers are put together.

Strict like a kubelet, which does not start with a fault in it. Imported only where configurations are read: the schema
takes memory. Upstream: pkg/credentialprovider/plugin/config.go.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from kubeletsim.base.duration import Duration
from kubeletsim.config.credential_providers import CredentialProviderSettings
from kubeletsim.config.documents import Document, parse_document
from kubeletsim.config.findings import Finding
from kubeletsim.config.schema.types import join_path
from kubeletsim.model.errors import ConfigError, Fault

KIND = "CredentialProviderConfig"
VERSIONS = tuple(f"kubelet.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
PLUGIN_VERSIONS = tuple(f"credentialprovider.kubelet.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
CACHE_TYPES = ("ServiceAccount", "Token")
SUFFIXES = (".json", ".yaml", ".yml")
CONFIG_FLAG, BIN_DIR_FLAG = "--image-credential-provider-config", "--image-credential-provider-bin-dir"


def _duration(value: object) -> object:
    return Duration.parse(value) if isinstance(value, str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)


class _EnvVar(_Strict):
    name: str
    value: str


class _TokenAttributes(_Strict):
    serviceAccountTokenAudience: str = ""
    cacheType: str = ""
    requireServiceAccount: bool | None = None
    requiredServiceAccountAnnotationKeys: list[str] | None = None
    optionalServiceAccountAnnotationKeys: list[str] | None = None


class _Provider(_Strict):
    name: str = ""
    matchImages: list[str] | None = None
    defaultCacheDuration: Annotated[Duration | None, BeforeValidator(_duration)] = None
    apiVersion: str = ""
    args: list[str] | None = None
    env: list[_EnvVar] | None = None
    tokenAttributes: _TokenAttributes | None = None


class _Config(_Strict):
    apiVersion: str
    kind: str
    providers: list[_Provider] | None = None


def read_credential_providers(config: Path, *, bin_dir: Path) -> tuple[CredentialProviderSettings, ...]:
    """Read which credential providers there are.

    Args:
        config: the file, or a directory whose *.json, *.yaml and *.yml are read in lexical order.
        bin_dir: where their programs are.

    Raises:
        ConfigError: a file cannot be read, has faults, or names a program that is not there.
    """
    found: list[CredentialProviderSettings] = []
    faults: list[Fault] = []
    for path in _files(config):
        document = parse_document(_text(path), source=str(path))
        for finding in _kind_faults(document, path):
            raise ConfigError([finding])
        try:
            providers = _Config.model_validate(document.value).providers or []
        except ValidationError as error:
            faults += [_undecoded(detail, document, path) for detail in error.errors(include_url=False)]
            continue
        if not providers:
            faults.append(Finding("providers", None, "must have at least one item", source=str(path)))
        for index, provider in enumerate(providers):
            where = f"providers[{index}]"
            for field, value, rule in _rules(provider, bin_dir=bin_dir):
                line = document.lines.get(f"{where}.{field}") or document.lines.get(where)
                faults.append(Finding(f"{where}.{field}", value, rule, source=str(path), line=line))
            if any(provider.name == other.name for other in found):
                rule = "must be given once among all files"
                faults.append(Finding(f"{where}.name", provider.name, rule, source=str(path)))
            found.append(_settings(provider))
    if faults:
        raise ConfigError(faults)
    return tuple(found)


def check_flags(config: Path | None, bin_dir: Path | None) -> None:
    """Refuse one of the two flags without the other, and a directory that is none.

    Raises:
        ConfigError: so it is.
    """
    if (config is None) != (bin_dir is None):
        given, missing = (CONFIG_FLAG, BIN_DIR_FLAG) if bin_dir is None else (BIN_DIR_FLAG, CONFIG_FLAG)
        raise ConfigError([Fault(missing, None, f"must be given together with {given}")])
    if bin_dir is not None and not bin_dir.is_dir():
        raise ConfigError([Fault(BIN_DIR_FLAG, str(bin_dir), "must be a directory that exists")])


def _files(config: Path) -> list[Path]:
    if not config.is_dir():
        return [config]
    try:
        files = sorted(path for path in config.iterdir() if path.suffix in SUFFIXES and not path.is_dir())
    except OSError as error:
        raise ConfigError([Fault(CONFIG_FLAG, str(config), f"cannot be read: {error.strerror}")]) from error
    if not files:
        raise ConfigError([Fault(CONFIG_FLAG, str(config), f"must hold files named *{', *'.join(SUFFIXES)}")])
    return files


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError([Fault(CONFIG_FLAG, str(path), f"cannot be read: {why}")]) from error


def _kind_faults(document: Document, path: Path) -> Iterator[Finding]:
    value = document.value if isinstance(document.value, dict) else {}
    if value.get("kind") != KIND:
        yield Finding("kind", value.get("kind"), f"must be {KIND}", source=str(path))
    if value.get("apiVersion") not in VERSIONS:
        rule = f"must be one of {', '.join(VERSIONS)}"
        yield Finding("apiVersion", value.get("apiVersion"), rule, source=str(path))


def _undecoded(detail: Any, document: Document, path: Path) -> Finding:
    where = join_path(*detail["loc"])
    rule = "no such field" if detail["type"] == "extra_forbidden" else str(detail["msg"])
    return Finding(where, None, rule, source=str(path), line=document.lines.get(where))


def _rules(provider: _Provider, *, bin_dir: Path) -> Iterator[tuple[str, object, str]]:
    """Yield field, value and rule of each fault of a provider (validateCredentialProviderConfig upstream)."""
    name = provider.name
    if not name or "/" in name or " " in name or name in (".", ".."):
        yield "name", name or None, "must be the name of a program, without slashes and spaces"
    elif not os.access(bin_dir / name, os.X_OK) or (bin_dir / name).is_dir():
        yield "name", name, f"must be a program in {bin_dir}"
    if provider.apiVersion not in PLUGIN_VERSIONS:
        yield "apiVersion", provider.apiVersion or None, f"must be one of {', '.join(PLUGIN_VERSIONS)}"
    if not provider.matchImages:
        yield "matchImages", None, "must have at least one item"
    for index, place in enumerate(provider.matchImages or []):
        if not _is_place(place):
            yield f"matchImages[{index}]", place, "must be a host, with or without port and path, but no scheme"
    if provider.defaultCacheDuration is None or provider.defaultCacheDuration < Duration():
        yield "defaultCacheDuration", provider.defaultCacheDuration, "must be given, and not negative"
    if provider.tokenAttributes is not None:
        for field, value, rule in _token_rules(provider.tokenAttributes, provider.apiVersion):
            yield f"tokenAttributes{field}", value, rule


def _token_rules(token: _TokenAttributes, api_version: str) -> Iterator[tuple[str, object, str]]:
    if api_version in PLUGIN_VERSIONS[1:]:
        yield "", None, f"must be absent unless apiVersion is {PLUGIN_VERSIONS[0]}"
    if not token.serviceAccountTokenAudience:
        yield ".serviceAccountTokenAudience", None, "must be given"
    if token.requireServiceAccount is None:
        yield ".requireServiceAccount", None, "must be given"
    if token.cacheType not in CACHE_TYPES:
        yield ".cacheType", token.cacheType or None, f"must be one of {', '.join(CACHE_TYPES)}"
    required, optional = (
        set(keys or [])
        for keys in (token.requiredServiceAccountAnnotationKeys, token.optionalServiceAccountAnnotationKeys)
    )
    if required and token.requireServiceAccount is False:
        rule = "must be absent when requireServiceAccount is false"
        yield ".requiredServiceAccountAnnotationKeys", None, rule
    if both := required & optional:
        yield "", sorted(both), "annotation keys must not be both required and optional"


def _is_place(place: str) -> bool:
    try:
        return "://" not in place and bool(urlsplit(f"https://{place}").netloc)
    except ValueError:
        return False


def _settings(provider: _Provider) -> CredentialProviderSettings:
    token = provider.tokenAttributes
    return CredentialProviderSettings(
        name=provider.name,
        api_version=provider.apiVersion,
        match_images=tuple(provider.matchImages or ()),
        default_cache_seconds=(provider.defaultCacheDuration or Duration()).seconds,
        args=tuple(provider.args or ()),
        env=tuple((variable.name, variable.value) for variable in provider.env or ()),
        requires_service_account=token is not None and bool(token.requireServiceAccount),
    )
