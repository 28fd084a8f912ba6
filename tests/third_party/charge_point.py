"""A charge point that is not ours: the PyPI package `ocpp` charges at the hub, in one OCPP version.

    charge_point.py ws://127.0.0.1:9220/ocpp/PY16 1.6 TAG

Boots, authorises, charges with three meter values, waits for the hub to stop the transaction remotely,
ends it and exits 0. It prints "charging" when the hub may send its stop.
"""

import asyncio
import sys
from datetime import datetime, timezone

import websockets
from ocpp.routing import after, on
from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call as call16
from ocpp.v16 import call_result as result16
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call as call201
from ocpp.v201 import call_result as result201
from ocpp.v21 import ChargePoint as ChargePoint21
from ocpp.v21 import call as call21
from ocpp.v21 import call_result as result21


def now():
    return datetime.now(timezone.utc).isoformat()


class Point16(ChargePoint16):
    """OCPP 1.6."""

    stop = None

    @on("RemoteStopTransaction")
    def on_stop(self, transaction_id):
        return result16.RemoteStopTransaction(status="Accepted")

    @after("RemoteStopTransaction")
    def after_stop(self, transaction_id):
        self.stop.set_result(transaction_id)

    async def charge(self, token):
        self.stop = asyncio.get_running_loop().create_future()
        boot = await self.call(
            call16.BootNotification(charge_point_model="Py", charge_point_vendor="PyPI")
        )
        assert boot.status == "Accepted", boot
        authorized = await self.call(call16.Authorize(id_tag=token))
        assert authorized.id_tag_info["status"] == "Accepted", authorized
        started = await self.call(
            call16.StartTransaction(connector_id=1, id_tag=token, meter_start=1000, timestamp=now())
        )
        for wh in (1500, 2000, 2500):
            sample = {"timestamp": now(), "sampledValue": [{"value": str(wh), "unit": "Wh"}]}
            await self.call(
                call16.MeterValues(
                    connector_id=1, transaction_id=started.transaction_id, meter_value=[sample]
                )
            )
        print("charging", flush=True)
        assert await self.stop == started.transaction_id
        await self.call(
            call16.StopTransaction(
                transaction_id=started.transaction_id,
                meter_stop=3000,
                timestamp=now(),
                reason="Remote",
            )
        )


class Point2:
    """What OCPP 2.0.1 and 2.1 have in common; `messages` and `results` are those of the version."""

    stop = None

    @on("RequestStopTransaction")
    def on_stop(self, transaction_id):
        return self.results.RequestStopTransaction(status="Accepted")

    @after("RequestStopTransaction")
    def after_stop(self, transaction_id):
        self.stop.set_result(transaction_id)

    async def event(self, kind, seq_no, wh, trigger, **more):
        value = {"value": wh, "measurand": "Energy.Active.Import.Register"}
        return await self.call(
            self.messages.TransactionEvent(
                event_type=kind,
                timestamp=now(),
                trigger_reason=trigger,
                seq_no=seq_no,
                transaction_info={"transactionId": "py-1", **more.pop("info", {})},
                evse={"id": 1, "connectorId": 1},
                meter_value=[{"timestamp": now(), "sampledValue": [value]}],
                **more,
            )
        )

    async def charge(self, token):
        self.stop = asyncio.get_running_loop().create_future()
        id_token = {"idToken": token, "type": "ISO14443"}
        boot = await self.call(
            self.messages.BootNotification(
                charging_station={"model": "Py", "vendorName": "PyPI"}, reason="PowerUp"
            )
        )
        assert boot.status == "Accepted", boot
        authorized = await self.call(self.messages.Authorize(id_token=id_token))
        assert authorized.id_token_info["status"] == "Accepted", authorized
        started = await self.event("Started", 0, 1000, "Authorized", id_token=id_token)
        assert started.id_token_info["status"] == "Accepted", started
        for seq_no, wh in ((1, 1500), (2, 2000), (3, 2500)):
            await self.event("Updated", seq_no, wh, "MeterValuePeriodic")
        print("charging", flush=True)
        assert await self.stop == "py-1"
        await self.event("Ended", 4, 3000, "RemoteStop", info={"stoppedReason": "Remote"})


class Point201(Point2, ChargePoint201):
    """OCPP 2.0.1."""

    messages, results = call201, result201


class Point21(Point2, ChargePoint21):
    """OCPP 2.1."""

    messages, results = call21, result21


async def main(url, version, token):
    kind = {"1.6": Point16, "2.0.1": Point201, "2.1": Point21}[version]
    async with websockets.connect(url, subprotocols=[f"ocpp{version}"]) as socket:
        assert socket.subprotocol == f"ocpp{version}", socket.subprotocol
        point = kind(url.rsplit("/", 1)[-1], socket)
        serving = asyncio.create_task(point.start())
        await asyncio.wait_for(point.charge(token), timeout=60)
        serving.cancel()


asyncio.run(main(*sys.argv[1:]))
