from typing import Any

import pytest

from kubeletsim.base.duration import Duration
from kubeletsim.config import flag_values
from kubeletsim.config.flag_values import Kind
from kubeletsim.config.schema.structs import MemoryReservation, Taint, VModuleItem
from kubeletsim.model.quantity import Quantity


@pytest.mark.parametrize(
    ("kind", "texts", "value"),
    [
        (flag_values.BOOL, ["T"], True),
        (flag_values.BOOL, ["true", "0"], False),
        (flag_values.STRING, ["a", ""], ""),
        (flag_values.INT32, ["-7"], -7),
        (flag_values.INT32, ["010"], 8),
        (flag_values.INT32, ["0"], 0),
        (flag_values.INT32, ["0o17"], 15),
        (flag_values.INT32, ["1_000"], 1000),
        (flag_values.INT64, ["0xFFFFFFFF"], 2**32 - 1),
        (flag_values.DURATION, ["1h30m"], Duration.of(minutes=90)),
        (flag_values.QUANTITY, ["1Ki"], Quantity.of(1024)),
        (flag_values.IP, ["::1"], "::1"),
        (flag_values.IP_LIST, ["10.0.0.1, fd00::1"], ("10.0.0.1", "fd00::1")),
        (flag_values.IP_LIST, [""], ()),
        (flag_values.LIST, ["a,b", '"c,d"'], ("a", "b", "c,d")),
        (flag_values.LIST, [""], ()),
        (flag_values.MAP, ["a=1, b=2", "c=x=y"], {"a": "1", "b": "2", "c": "x=y"}),
        (flag_values.MAP, [""], {}),
        (flag_values.THRESHOLDS, ["memory.available<1Gi"], {"memory.available": "1Gi"}),
        (flag_values.GATES, ["A=true,B=F", "A=false"], {"A": False, "B": False}),
        (flag_values.HEADERS, ["a:hello,b:again", "b:you"], {"a": ("hello",), "b": ("again", "you")}),
        (
            flag_values.TAINTS,
            ["a=b:NoSchedule,c:NoExecute"],
            (Taint(key="a", value="b", effect="NoSchedule"), Taint(key="c", effect="NoExecute")),
        ),
        (
            flag_values.RESERVED_MEMORY,
            ["0:memory=1Gi,hugepages-2Mi=64Mi;1:memory=2Gi"],
            (
                MemoryReservation(
                    numaNode=0, limits={"memory": Quantity.parse("1Gi"), "hugepages-2Mi": Quantity.parse("64Mi")}
                ),
                MemoryReservation(numaNode=1, limits={"memory": Quantity.parse("2Gi")}),
            ),
        ),
        (
            flag_values.VMODULE,
            ["a*=2,b=3"],
            (VModuleItem(filePattern="a*", verbosity=2), VModuleItem(filePattern="b", verbosity=3)),
        ),
    ],
)
def test_texts_are_read_as_upstream_reads_them(kind: Kind, texts: list[str], value: Any) -> None:
    assert kind.read(texts) == value


@pytest.mark.parametrize(
    ("kind", "text", "rule"),
    [
        (flag_values.BOOL, "yes", "true or false"),
        (flag_values.INT32, "", "whole number"),
        (flag_values.INT32, "1.5", "whole number"),
        (flag_values.INT32, " 1", "whole number"),
        (flag_values.INT32, str(2**31), "between"),
        (flag_values.INT64, "9" * 100, "whole number"),
        (flag_values.VERBOSITY, "-1", "between 0 and"),
        (flag_values.DURATION, "5", "duration"),
        (flag_values.QUANTITY, "1Q", "quantity"),
        (flag_values.IP, "", "IP address"),
        (flag_values.IP, "localhost", "IP address"),
        (flag_values.IP_LIST, "10.0.0.1,10.0.0.2", "IPv4 and an IPv6"),
        (flag_values.MAP, "a", "key=value"),
        (flag_values.THRESHOLDS, "memory.available=1Gi", "key<value"),
        (flag_values.GATES, "A=maybe", "Name=true"),
        (flag_values.HEADERS, "a", "name:value"),
        (flag_values.TAINTS, "a=b", "key=value:effect"),
        (flag_values.TAINTS, ":NoSchedule", "key=value:effect"),
        (flag_values.TAINTS, "a=b=c:NoSchedule", "key=value:effect"),
        (flag_values.RESERVED_MEMORY, "0", "0:memory"),
        (flag_values.RESERVED_MEMORY, "x:memory=1Gi", "0:memory"),
        (flag_values.RESERVED_MEMORY, "0:memory", "0:memory"),
        (flag_values.VMODULE, "a=b", "pattern=verbosity"),
    ],
)
def test_what_a_flag_cannot_be_is_refused_with_what_it_can(kind: Kind, text: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        kind.read([text])
