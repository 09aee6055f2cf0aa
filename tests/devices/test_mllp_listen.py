from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator

import pytest

from devices import registry
from devices.driver import Event
from devices.hl7 import frame, parse
from devices.keeper import Keeper
from devices.transports import mllp_listen
from devices.transports.mllp_listen import Filter, MllpLink, address, connect
from tests.devices.decoding import latest, numerics
from tests.devices.hl7_messages import obx, oru
from tests.loop import run, until
from vitals.clock import ManualClock
from vitals.errors import TransportError
from vitals.model import Chunk, Link

DRIVER = registry.get("hl7-oru")


@pytest.fixture
def base() -> str:
    """The url of a port that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"mllp-listen://127.0.0.1:{probe.getsockname()[1]}"


class Gateway:
    """A gateway that has dialled in, and every answer that it got."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> str:
        """`AA 42` for the next answer."""
        said = parse((await self.reader.readuntil(b"\x1c\r")).strip(b"\x0b\x1c\r"))
        assert said is not None
        return f"{said.field('MSA', 1)} {said.field('MSA', 2)}"

    async def hung_up_on(self) -> bool:
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True


@contextlib.asynccontextmanager
async def dialled(base: str) -> AsyncIterator[Gateway]:
    host, number, _ = address(base)
    reader, writer = await asyncio.open_connection(host, number)
    try:
        yield Gateway(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class Device:
    """A device with a decoder of its own that answers at once, as a keeper does."""

    def __init__(self, url: str, *, answers: bool = True) -> None:
        self.url = url
        self.answers = answers
        self.chunks: list[Chunk] = []
        self.events: list[Event] = []
        self.decoder = DRIVER.decoder("bed")
        self.clock = ManualClock()
        self.tasks: list[asyncio.Task[None]] = []
        self.link: MllpLink

    def on_chunk(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        self.events += self.decoder.feed(chunk)
        while self.answers and (said := self.decoder.due(chunk.at_us)):
            self.tasks.append(asyncio.create_task(self.link.write(said)))

    async def open(self) -> None:
        self.link = await connect(self.url, DRIVER.settings, self.on_chunk, self.clock)

    @property
    def values(self) -> list[float | None]:
        return [n.value for n in numerics(self.events)]


@contextlib.asynccontextmanager
async def listening(*devices: Device) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for device in devices:
            await device.open()
            stack.push_async_callback(device.link.close)
        yield


async def sentence(url: str) -> str:
    with pytest.raises(TransportError) as error:
        await Device(url).open()
    return str(error.value)


# --- one device -------------------------------------------------------------------------------


def test_a_message_arrives_whole_with_its_time_and_is_answered(base: str) -> None:
    async def main() -> None:
        device = Device(base)
        async with listening(device), dialled(base) as gateway:
            device.clock.advance(7)
            message = oru(obx("spo2", 97), control="77")
            gateway.send(message[:20])
            await asyncio.sleep(0)
            gateway.send(message[20:] + message[:20])
            assert await gateway.answer() == "AA 77"
            assert [chunk.data for chunk in device.chunks] == [message]
            assert device.chunks[0].at_us == device.clock.now_us()
            assert latest(device.events) == {"spo2": 97}

    run(main())


def test_what_cannot_be_used_is_answered_as_an_error(base: str) -> None:
    async def main() -> None:
        async with listening(Device(base)), dialled(base) as gateway:
            gateway.send(oru(kind="ORU^R40") + oru(answers="AL|NE", control="43"))
            assert await gateway.answer() == "AE 42"
            assert await gateway.answer() == "CA 43"

    run(main())


def test_gateways_may_come_and_go_and_each_gets_its_own_answers(base: str) -> None:
    async def main() -> None:
        device = Device(base)
        async with listening(device):
            for i in range(3):  # one that dials for each message
                async with dialled(base) as gateway:
                    gateway.send(oru(obx("spo2", 90 + i), control=str(i)))
                    assert await gateway.answer() == f"AA {i}"
            async with dialled(base) as one, dialled(base) as two:
                two.send(oru(control="two"))
                one.send(oru(control="one") + oru(control="one more"))
                assert await two.answer() == "AA two"
                assert [await one.answer(), await one.answer()] == ["AA one", "AA one more"]
        assert device.values == [90, 91, 92]

    run(main())


def test_messages_that_want_no_answer_do_not_shift_the_answers_of_others(base: str) -> None:
    async def main() -> None:
        async with listening(Device(base)), dialled(base) as one, dialled(base) as two:
            one.send(oru(answers="NE|NE", control="silent"))
            two.send(oru(control="two"))
            assert await two.answer() == "AA two"
            one.send(oru(control="one"))
            assert await one.answer() == "AA one"

    run(main())


def test_an_answer_to_a_gateway_that_has_gone_is_dropped(base: str) -> None:
    async def main() -> None:
        device = Device(base, answers=False)
        async with listening(device):
            async with dialled(base) as gateway:
                gateway.send(oru(control="lost"))
                await until(lambda: device.chunks)
            await device.link.write(device.decoder.due(0))
            await device.link.write(b"no answer at all" + frame("MSH|^~\\&|\rMSA|AA|another\r"))
            async with dialled(base) as gateway:
                device.answers = True
                gateway.send(oru(control="next"))
                assert await gateway.answer() == "AA next"

    run(main())


def test_closing_hangs_up_and_frees_the_port_for_the_next_opening(base: str) -> None:
    async def main() -> None:
        device = Device(base)
        for _ in range(2):
            async with listening(device), dialled(base) as gateway:
                gateway.send(oru())
                await gateway.answer()
                lost = asyncio.create_task(device.link.lost())
                await device.link.close()
                await device.link.close()
                assert await gateway.hung_up_on()
                assert "closed" in str(await lost)
                with pytest.raises(TransportError, match="closed"):
                    await device.link.write(b"x")
        assert mllp_listen._PORTS == {}

    run(main())


def test_a_gateway_that_does_not_read_its_answers_is_hung_up_on() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            _, gateway = await asyncio.open_connection(sock=ours)
            mllp_listen.send(gateway, b"x")
            assert not gateway.transport.is_closing()
            mllp_listen.send(gateway, bytes(20_000_000))
            assert gateway.transport.is_closing()
            mllp_listen.send(gateway, b"x")
            assert gateway.transport.get_write_buffer_size() == 0

    run(main())


def test_no_more_than_so_many_gateways(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mllp_listen, "MAX_GATEWAYS", 1)

    async def main() -> None:
        async with listening(Device(base)), dialled(base) as one:
            one.send(oru())
            await one.answer()
            async with dialled(base) as two:
                assert await two.hung_up_on()
            one.send(oru())
            assert await one.answer() == "AA 42"

    run(main())


# --- several devices --------------------------------------------------------------------------


def test_each_device_gets_the_messages_of_its_bed_or_patient_only(base: str) -> None:
    async def main() -> None:
        first, second = Device(f"{base}?bed=ICU^1^1"), Device(f"{base}?bed=ICU%5E1%5E2")
        patient = Device(f"{base}?pid=P3")
        async with listening(first, second, patient), dialled(base) as gateway:
            gateway.send(oru(obx("spo2", 91), bed="ICU^1^1^WEST", control="1"))
            gateway.send(oru(obx("spo2", 92), bed="ICU^1^2", pid="P2", control="2"))
            gateway.send(oru(obx("spo2", 93), bed="ICU^7^7", pid="P3", control="3"))
            assert [await gateway.answer() for _ in range(3)] == ["AA 1", "AA 2", "AA 3"]
        assert (first.values, second.values, patient.values) == ([91], [92], [93])

    run(main())


def test_a_message_for_two_devices_is_answered_once(base: str) -> None:
    async def main() -> None:
        bed, everything = Device(f"{base}?bed=ICU^1^1"), Device(base)
        async with listening(bed, everything), dialled(base) as gateway:
            gateway.send(oru(obx("spo2", 91), bed="ICU^1^1", control="1"))
            gateway.send(oru(obx("spo2", 92), control="2"))
            assert [await gateway.answer(), await gateway.answer()] == ["AA 1", "AA 2"]
        assert (bed.values, everything.values) == ([91], [91, 92])

    run(main())


def test_what_nobody_takes_is_refused_and_logged_without_the_patient(
    base: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        device = Device(f"{base}?bed=ICU^1^1")
        async with listening(device), dialled(base) as gateway:
            for control in range(12):
                gateway.send(oru(obx("spo2", 97), bed="SECRET^9", pid="P99", control=str(control)))
                assert await gateway.answer() == f"AE {control}"
            gateway.send(oru(answers="AL|NE", control="last") + b"\x0bnonsense\x1c\rnoise")
            assert await gateway.answer() == "CE last"
        assert device.chunks == []

    with caplog.at_level(logging.DEBUG):
        run(main())
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warnings) == 2  # the first and the tenth
    assert not any(word in caplog.text for word in ("SECRET", "P99", "DOE", "nonsense"))


def test_a_device_that_goes_leaves_the_others_their_gateway(base: str) -> None:
    async def main() -> None:
        going, staying = Device(f"{base}?bed=A"), Device(f"{base}?bed=B")
        async with listening(going, staying), dialled(base) as gateway:
            gateway.send(oru(bed="A"))
            assert await gateway.answer() == "AA 42"
            await going.link.close()
            gateway.send(oru(bed="A"))
            assert await gateway.answer() == "AE 42"
            gateway.send(oru(bed="B"))
            assert await gateway.answer() == "AA 42"

    run(main())


def test_devices_may_open_their_port_at_the_same_moment(base: str) -> None:
    async def main() -> None:
        devices = [Device(f"{base}?bed={i}") for i in range(8)]
        for _ in range(3):
            await asyncio.gather(*(device.open() for device in devices))
            async with dialled(base) as gateway:
                gateway.send(oru(bed="7"))
                assert await gateway.answer() == "AA 42"
            await asyncio.gather(*(device.link.close() for device in devices))

    run(main())


def test_cancelled_openings_leave_nothing_behind(base: str) -> None:
    async def main() -> None:
        for turns in range(6):
            opening = asyncio.create_task(Device(base).open())
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await opening
                break  # it was faster than the cancel
            assert mllp_listen._PORTS == {}
            device = Device(base)
            async with listening(device):
                pass

    async def clean() -> None:
        await main()
        for port in list(mllp_listen._PORTS.values()):
            for link in list(port._links):
                await link.close()

    run(clean())


# --- urls -------------------------------------------------------------------------------------


def test_a_url_names_host_port_and_filter() -> None:
    assert address("mllp-listen://localhost:2575") == ("127.0.0.1", 2575, Filter())
    assert address("mllp-listen://0.0.0.0:2575?pid=1+2")[2] == Filter(pid="1 2")
    assert address("mllp-listen://[::1]:2575?bed=ICU^^5&pid=7") == (
        *("::1", 2575, Filter("7", ("ICU", "", "5"))),
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mllp-listen://", "is no address to listen on; write it as mllp-listen://HOST:PORT"),
        ("mllp-listen://127.0.0.1", "is no address to listen on"),
        ("mllp-listen://:2575", "is no address to listen on"),
        ("mllp-listen://127.0.0.1:99999", "is no address to listen on"),
        ("mllp-listen://127.0.0.1:2575/x", "is no address to listen on"),
        ("mllp-listen://127.0.0.1:2575?bed=a#b", "is no address to listen on"),
        ("mllp-listen://127.0.0.1:2575?beds=1", "no filter 'beds'; did you mean \"bed\"?"),
        ("mllp-listen://127.0.0.1:2575?bed=", "give bed one value"),
        ("mllp-listen://127.0.0.1:2575?bed=^^", "give bed one value"),
        ("mllp-listen://127.0.0.1:2575?pid=1&pid=2", "give pid one value"),
        ("mllp-listen://192.0.2.1:2575", "192.0.2.1:2575 is no address of this computer"),
    ],
)
def test_why_a_port_cannot_be_opened(url: str, words: str) -> None:
    async def main() -> None:
        assert words in await sentence(url)
        assert mllp_listen._PORTS == {}

    run(main())


def test_a_port_of_another_program(base: str) -> None:
    async def main() -> None:
        with socket.socket() as other:
            other.bind(address(base)[:2])
            other.listen()
            assert "is in use: end the other program" in await sentence(base)
        device = Device(base)
        async with listening(device):
            pass

    run(main())


@pytest.mark.parametrize(
    ("wanted", "bed", "fits"),
    [
        ("ICU^1^2", "ICU^1^2", True),
        ("ICU^1^2", "ICU^1^2^WEST^^^x", True),
        ("ICU^1", "ICU^1^2", True),
        ("ICU^^5", "ICU^^5^XYZ", True),
        ("ICU^^", "ICU", True),
        ("ICU^^", "ICU^1", False),
        ("ICU^1^2", "ICU^1^21", False),
        ("ICU^1^2", "ICU^1", False),
        ("ICU^1^2", "", False),
        ("ICU", "ICUX", False),
    ],
)
def test_a_bed_is_compared_component_by_component(wanted: str, bed: str, fits: bool) -> None:
    message = parse(oru(bed=bed).strip(b"\x0b\x1c\r"))
    assert address(f"mllp-listen://h:1?bed={wanted}")[2].fits(message) is fits


def test_a_patient_may_have_several_ids() -> None:
    message = parse(oru(pid="A^^^X~B").strip(b"\x0b\x1c\r"))
    found = [Filter(pid=pid).fits(message) for pid in ("A", "B", "X", "")]
    assert found == [True, True, False, True]
    assert not Filter(pid="A", bed=("ICU",)).fits(message)
    assert [Filter().fits(None), Filter(pid="A").fits(None)] == [True, False]


# --- with a keeper ----------------------------------------------------------------------------


def test_a_keeper_streams_from_a_gateway_and_answers_it(base: str) -> None:
    async def main() -> None:
        events: list[Event] = []
        links: list[Link] = []
        keeper = Keeper(
            "bed-1", DRIVER, f"{base}?bed=ICU^1", ManualClock(), events.extend, links.append
        )
        running = asyncio.create_task(keeper.run())
        host, number, _ = address(base)
        await until(lambda: any(key[1:] == (host, number) for key in mllp_listen._PORTS))
        await until(lambda: all(port._server for port in mllp_listen._PORTS.values()))
        async with dialled(base) as gateway:
            for control in range(40):  # more than are fetched at one time
                gateway.send(oru(obx("spo2", 97), bed="ICU^1", control=str(control)))
            assert [await gateway.answer() for _ in range(40)] == [f"AA {i}" for i in range(40)]
        assert latest(events) == {"spo2": 97}
        assert [link.state for link in links] == ["connecting", "streaming"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert mllp_listen._PORTS == {}

    run(main())
