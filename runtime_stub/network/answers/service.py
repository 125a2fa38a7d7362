"""This module is the way from a service of the catalogue to the answers on a connection."""

from collections.abc import Callable

from runtime_stub.behaviour.service import Service
from runtime_stub.network.answers import Answers, attend
from runtime_stub.network.answers.health import HealthAnswers
from runtime_stub.network.answers.http import HTTPAnswers, Site
from runtime_stub.network.answers.pages import described, files_below
from runtime_stub.network.answers.text import TextAnswers
from runtime_stub.network.answers.whichever import WhicheverAnswers
from runtime_stub.network.ports import Ports
from runtime_stub.network.stream import End
from runtime_stub.shell.files import Files
from runtime_stub.state.records import Sandbox

PAGE = "<!DOCTYPE html><title>runtime-stub</title><p>A simulated web server answers.\n"


def answers_of(service: Service, files: Callable[[], Files]) -> Answers:
    """Return the server's side of a new connection.

    Args:
        service: what is answered.
        files: returns the container's files.
    """
    match service.protocol:
        case "http":
            return HTTPAnswers(_site(service, files))
        case "grpc":
            return HealthAnswers(service.health.get)
        case "tcp":
            return TextAnswers(greeting=service.greeting, replies=service.replies)
        case "any":
            return WhicheverAnswers(_site(service, files), service.health.get)


def serve(ports: Ports, container_id: str, sandbox: Sandbox, service: Service, files: Callable[[], Files]) -> None:
    """Let a container answer on a port of its pod; differently, if it did before."""

    def accept(end: End) -> None:
        attend(end, answers_of(service, files))

    ports.leave_port(container_id, service.port)
    ports.listen(container_id, sandbox, service.port, accept, shared=True)


def _site(service: Service, files: Callable[[], Files]) -> Site:
    site = described(status=service.status, body=service.body or PAGE, paths=service.paths)
    return files_below(service.root, files, fallback=site) if service.root else site
