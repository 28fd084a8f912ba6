#!/usr/bin/env python3
"""Writes the tables of facts (v16.facts, v201.facts, v21.facts) beside this file.

    python3 hub/ocpp/table/generate.py [--check] [DIR]

With --check nothing is written; it fails where the tables are not what it would write. DIR holds v16/schemas, v201/schemas and v21/schemas: the official JSON schema files as the PyPI package `ocpp`
carries them. Without DIR that package is downloaded for the run. The schema files belong to the Open Charge
Alliance (CC BY-ND) and are not part of this repository; the facts in them are nobody's.

One line per fact:

    enum NAME VALUE…                     a list of values
    type NAME [open]                     an object; its fields follow, indented; open: further fields are legal
    message ACTION KIND SENDER           a payload; its fields follow. KIND request|response,
                                         SENDER of the request: station|csms|both
      FIELD TYPE [LIMIT…]                a field; `FIELD?` may be left out

TYPE is string, date-time, integer, number, boolean, any, or the NAME of an enum or type. LIMIT is `max=N`
(characters of a string), `ge=N`, `le=N`, `step=N` (a number's bounds and multiple), `list=A..B` (a list of A to B
of TYPE; B may be missing).
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = "ocpp==2.1.0"
VERSIONS = {"v16": "OCPP 1.6", "v201": "OCPP 2.0.1", "v21": "OCPP 2.1"}

# The schema files do not say who sends what; the texts of OCPP 1.6 (with the security whitepaper), 2.0.1 and 2.1
# part 2 do. What stands in neither list is sent by the CSMS.
BOTH_SEND = {"DataTransfer"}
STATION_SENDS = set(
    """
    Authorize BatterySwap BootNotification ClearedChargingLimit ClosePeriodicEventStream
    DiagnosticsStatusNotification FirmwareStatusNotification Get15118EVCertificate GetCertificateChainStatus
    GetCertificateStatus Heartbeat LogStatusNotification MeterValues NotifyChargingLimit
    NotifyCustomerInformation NotifyDERAlarm NotifyDERStartStop NotifyDisplayMessages NotifyEVChargingNeeds
    NotifyEVChargingSchedule NotifyEvent NotifyMonitoringReport NotifyPeriodicEventStream NotifyPriorityCharging
    NotifyReport NotifySettlement OpenPeriodicEventStream PublishFirmwareStatusNotification
    PullDynamicScheduleUpdate ReportChargingProfiles ReportDERControl ReservationStatusUpdate
    SecurityEventNotification SignCertificate SignedFirmwareStatusNotification StartTransaction
    StatusNotification StopTransaction TransactionEvent VatNumberValidation
    """.split()
)


def main():
    arguments = sys.argv[1:]
    check_only = "--check" in arguments
    directories = [argument for argument in arguments if argument != "--check"]
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(directories[0]) if directories else download(scratch)
        for version, name in VERSIONS.items():
            facts = Facts()
            for file in sorted((source / version / "schemas").glob("*.json")):
                facts.add_message(file)
            if not facts.messages:
                sys.exit(f"no schema files in {source / version / 'schemas'}")
            target = here / f"{version}.facts"
            if not check_only:
                target.write_text(facts.text(name), encoding="utf-8")
            elif target.read_text(encoding="utf-8") != facts.text(name):
                sys.exit(f"{target} is not what the schemas say; run {Path(__file__).name} without --check")
            print(f"{target}: {len(facts.messages)} payloads, {len(facts.types)} types, {len(facts.enums)} enums")


def download(scratch):
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", scratch, PACKAGE]
    if subprocess.run(command).returncode != 0:
        sys.exit(f"{PACKAGE} could not be downloaded; give the directory of an unpacked copy as the argument")
    return Path(scratch) / "ocpp"


class Facts:
    """What the schema files of one version say."""

    def __init__(self):
        self.enums = {}
        self.types = {}
        self.messages = {}

    def add_message(self, file):
        schema = json.loads(file.read_text(encoding="utf-8-sig"))
        action, kind = file.stem.removesuffix("Request"), "request"
        if action.endswith("Response"):
            action, kind = action.removesuffix("Response"), "response"
        sender = "both" if action in BOTH_SEND else "station" if action in STATION_SENDS else "csms"
        for name, definition in schema.get("definitions", {}).items():
            self.define(name, definition)
        self.messages[f"{action} {kind} {sender}"] = self.fields(schema, f"{action}.{kind}")

    def define(self, name, definition):
        if "enum" in definition:
            known, fact = self.enums, " ".join(definition["enum"])
        else:
            known, fact = self.types, (definition.get("additionalProperties") is not False, self.fields(definition, name))
        if known.setdefault(name, fact) != fact:
            sys.exit(f"two files define {name} differently; name them apart here")

    def fields(self, schema, owner):
        required = schema.get("required", [])
        return [
            f"  {name}{'' if name in required else '?'} {self.kind(field, f'{owner}.{name}')}"
            for name, field in schema.get("properties", {}).items()
        ]

    def kind(self, field, path):
        """TYPE and LIMITs of a field; objects and enums that stand in place are named by their path."""
        if "$ref" in field:
            return field["$ref"].rsplit("/", 1)[1]
        if "enum" in field:
            values = " ".join(field["enum"])
            name = next((n for n, v in self.enums.items() if v == values), path)
            self.enums[name] = values
            return name
        kind = field.get("type", "any")
        if kind == "array":
            bounds = f"{field.get('minItems', 0)}..{field.get('maxItems', '')}"
            return f"{self.kind(field['items'], path)} list={bounds}"
        if kind == "object":
            self.types[path] = (field.get("additionalProperties") is not False, self.fields(field, path))
            return path
        if field.get("format") == "date-time":
            kind = "date-time"
        limits = {"maxLength": "max", "minimum": "ge", "maximum": "le", "multipleOf": "step"}
        return " ".join([kind] + [f"{short}={field[long]:g}" for long, short in limits.items() if long in field])

    def text(self, name):
        lines = [f"# Facts of {name}. Written by generate.py, which says how to read them."]
        lines += [f"enum {name} {values}" for name, values in sorted(self.enums.items())]
        for name, (is_open, fields) in sorted(self.types.items()):
            lines += [f"type {name}{' open' if is_open else ''}", *fields]
        for head, fields in sorted(self.messages.items()):
            lines += [f"message {head}", *fields]
        return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
