"""The objects of netd, created in the order of their layers, and the tasks that run.

This is the only place that creates them. Constructors receive everything that an object uses; nothing is wired later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

import aiofiles.os

from app.errors import InvalidFieldError
from app.exit_settings import numbered
from app.explain.decision import by_admin, with_exceptions
from app.model import Lease
from app.netd.adapters import RECORD, AdapterMonitor
from app.netd.adoption import AdoptionRecord
from app.netd.auto_connect import AutoConnect
from app.netd.automatic_switches import ReturnToFirstChoice, ScheduledSwitches
from app.netd.backup import BackupService
from app.netd.bulk import BulkRunner
from app.netd.cabling import CablingMonitor
from app.netd.canary.canary import Canary
from app.netd.canary.capture import Capture
from app.netd.canary.door import SHUT, Door
from app.netd.canary.prober import Prober
from app.netd.canary.proofs import Proofs
from app.netd.clockstep import ClockSteps, keep_leases
from app.netd.commands import Commands
from app.netd.connect_commands import ConnectCommands
from app.netd.connection_table import watch_connections
from app.netd.dependencies import Dependencies
from app.netd.device_names import look_up
from app.netd.device_policy import DevicePolicies
from app.netd.devices import seen_file
from app.netd.devices.commands import DeviceCommands
from app.netd.devices.history import DeviceHistoryRecorder
from app.netd.devices.mdns import MdnsListener
from app.netd.devices.own_addresses import own_addresses
from app.netd.devices.policy_of_all import PolicyOfAll
from app.netd.devices.present_devices import PresentDevices
from app.netd.devices.watcher import DeviceWatcher
from app.netd.events import EventBus
from app.netd.exit_commands import ExitCommands
from app.netd.exit_targets import ExitTargets
from app.netd.exits import Exits
from app.netd.explanations import Explanations
from app.netd.failover import Failover
from app.netd.file_keys import FileKeys
from app.netd.gateway import NetdGateway
from app.netd.history import HistoryRecorder
from app.netd.imports import ServerImporter
from app.netd.intent import Intent
from app.netd.known_device import KnownDevices
from app.netd.lan_devices import LanDevices
from app.netd.lan_misuse import LanMisuseMonitor
from app.netd.lan_services_loop import LanServicesLoop
from app.netd.leak_test import LeakTester
from app.netd.leases import watch_leases
from app.netd.listed_servers import ListedServers
from app.netd.maintenance import ProviderMaintenance
from app.netd.network import NetworkController
from app.netd.own_device import OwnDevices
from app.netd.owner import OwnerCheck
from app.netd.pauses import Pauses
from app.netd.policies.changes import PolicyChanges
from app.netd.policies.exceptions import Exceptions
from app.netd.policies.groups import GroupCommands
from app.netd.policies.open_exceptions import OpenExceptions
from app.netd.policy_times import PolicyTimes
from app.netd.post_quantum_alerts import PostQuantumAlerts
from app.netd.preferences import PreferenceCommands
from app.netd.provider_accounts import ProviderAccounts
from app.netd.provider_egress import ProviderEgress, environment
from app.netd.resolver_watch import ResolverWatch
from app.netd.self_service import SelfServiceCommands
from app.netd.server_claims import ServerClaims
from app.netd.server_commands import ServerCommands
from app.netd.server_directory import ServerDirectory
from app.netd.server_judge import ServerJudge
from app.netd.server_latency import ServerLatencies
from app.netd.server_places import ServerPlaces
from app.netd.snapshot import SnapshotReader
from app.netd.software_age import watch_age
from app.netd.stalls import StallMonitor
from app.netd.statistics import Statistics
from app.netd.support_file import SupportFile
from app.netd.unproven_keys import UnprovenKeys
from app.netd.wan_port import WanChooser
from app.network import nft
from app.network.neighbours import probe, read_neighbours
from app.network.ruleset.bridge import FLOODING, IMPOSTORS
from app.protocol.events import SecurityAlert
from app.providers.registry import Registry
from app.tasks import end
from app.tunnel.clock import boottime
from app.tunnel.failure_history import FailureHistory
from app.tunnel.states import policy_for

log = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Daemon:
    """The assembled netd."""

    gateway: NetdGateway
    network: NetworkController
    exits: Exits
    events: EventBus
    commands: Commands
    statistics: Statistics
    lan_services: LanServicesLoop
    watcher: DeviceWatcher
    device_history: DeviceHistoryRecorder
    jobs: Mapping[str, Job]  # each runs until it is cancelled
    problems: tuple[str, ...]  # found in the stored state, as messages

    async def start(self) -> None:
        """Adopt or resume the exits, apply the first plan, and publish the problems of the stored state."""
        self.exits.start()
        await self.network.start()
        for problem in self.problems:
            self.events.publish(SecurityAlert("state", problem))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Run all tasks during the context. A task that returns is a bug, which ends the others and is raised."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_run_forever(name, job), name=name) for name, job in self.jobs.items()]
            try:
                yield
            finally:
                await end(tasks)

    async def close(self) -> None:
        """Write statistics and sightings. The kernel keeps its network."""
        self.device_history.close()
        await self.statistics.close()
        try:
            await self.watcher.save()
        except OSError as error:
            log.warning("the sightings of devices could not be written: %s", error)


async def _run_forever(name: str, job: Job) -> None:
    await job()
    raise RuntimeError(f"the task {name!r} has ended by itself")


async def assemble(deps: Dependencies, restart: asyncio.Event, problems: Iterable[str] = ()) -> Daemon:
    """Create all objects of netd without any change to the kernel. ``restart`` is set when the process has to end."""
    store, wan_port, run_dir = deps.store, deps.wan_port, deps.run_dir
    try:
        store.update_settings(wan_port.with_card_ports)
    except InvalidFieldError as error:  # the start must not end here: the LAN keeps its page
        problems = (*problems, f"the ports of gateway.toml are not used: {error.message}")
    wan_port.write_choice(store.settings.links)
    settings = store.settings
    events = EventBus()
    publish = events.publish

    # The network, with the tunnels that are already up.
    record = AdoptionRecord(run_dir / "runtime.json")
    adopted = await record.adoptable(deps.backend, settings)
    opened = OpenExceptions(run_dir / "exceptions.json")
    network = NetworkController(
        store=store,
        make_kernel=deps.make_kernel,
        link_source=deps.link_source,
        links=await deps.link_source.observe(settings),
        exit_plans={n: policy_for(n, i, adopted[n]) for i, n in numbered(settings) if n in adopted},
        time_sync=deps.time_sync,
        flowtable=deps.flowtable,
        http_ports=deps.http_ports,
        publish=publish,
        exits_shut=(run_dir / SHUT).exists(),
        exceptions=opened.present,
    )

    # The proof with real packets, as a device of the LAN.
    capture = Capture(deps.capture) if deps.capture is not None else None

    def used_addresses() -> Iterable[str]:
        reserved = (device.address for device in store.settings.devices)
        leases = (lease.address for lease in deps.services.leases())
        return [*leases, *(n.address for n in lan_devices.neighbours), *(str(a) for a in reserved if a is not None)]

    prober = capture and Prober(network=network, store=store, capture=capture, used=used_addresses)
    door = Door(network, publish, run_dir / SHUT)
    canary = Canary(prober=prober, door=door, publish=publish, interval=deps.canary_interval)
    policy_changes = PolicyChanges(store=store, network=network, exceptions=opened.present, publish=publish)
    lan_services = LanServicesLoop(deps.services, network, store, publish, opened.present)
    resolver_watch = ResolverWatch(network, publish)
    egress = ProviderEgress(network, publish)
    provider_environment = environment(store, deps.state_dir, egress, deps.providers)
    provider_environment.accounts.load()
    registry = Registry(store, provider_environment)

    def on_problem(problem: str) -> None:
        publish(SecurityAlert("statistics", problem))

    statistics = Statistics(
        deps.state_dir,
        flowtable=deps.flowtable,
        exits=lambda: store.settings.exits,
        lan=lambda: ([link.name for link in network.links.lan], store.settings.lan.networks),
        on_rates=events.publish_rates,
        on_problem=on_problem,
    )
    history = HistoryRecorder(statistics, egress.contacts, canary.counters)

    # Servers, and the exits that use them.
    intent = Intent(store)
    failures = FailureHistory(boottime)
    latencies = ServerLatencies(network)
    directory = ServerDirectory(
        providers=registry, store=store, latencies=latencies, failures=failures, publish=publish
    )
    unproven = UnprovenKeys(registry)
    claims = ServerClaims(ListedServers(store, registry).of)
    judge = ServerJudge(store, intent, claims, registry)
    targets = ExitTargets(store, directory, judge)
    failover = Failover(
        providers=registry,
        directory=directory,
        intent=intent,
        store=store,
        failures=failures,
        unproven=unproven,
        uses=judge,
        publish=publish,
    )
    clock_steps = ClockSteps()
    exits = Exits(
        network=network,
        backend=deps.backend,
        intent=intent,
        store=store,
        providers=registry,
        failover=failover,
        keys=unproven,
        claims=claims,
        uses=judge,
        record=record,
        adopted=adopted,
        last_traffic=statistics.last_traffic,
        clock_behind=lambda: clock_steps.behind,
        observers=(
            history.on_transition,
            failover.on_transition,
            PostQuantumAlerts(publish).on_transition,
            canary.on_transition,
        ),
        publish=publish,
    )

    # The users of the exits: timers and commands.
    scheduled = ScheduledSwitches(exits, targets, store)
    return_to_first = ReturnToFirstChoice(exits=exits, servers=targets, intent=intent, store=store, failures=failures)
    auto_connect = AutoConnect(exits, targets, intent, store)
    auto_connect.start(at_boot=not record.ran_before)
    places = ServerPlaces(intent, directory, store)
    maintenance = ProviderMaintenance(registry, exits, publish)
    owner = OwnerCheck(deps.state_dir)
    backup = BackupService(
        store,
        deps.state_dir,
        freeze=exits.freeze,
        closing=(store.close, provider_environment.accounts.close, opened.close),
        restart=restart,
        check_owner=owner.check,
    )
    check_not_restarting = backup.check_not_restarting

    async def update_hosts(leases: Iterable[Lease], in_use: dict[str, IPv4Address]) -> None:
        await deps.services.update_hosts(store.settings, leases, in_use)

    lan_devices = LanDevices(
        leases=deps.services.leases,
        update_hosts=update_hosts,
        read_neighbours=read_neighbours,
        probe=probe,
        links=lambda: network.links,
        store=store,
        publish=publish,
    )
    mdns = MdnsListener(lambda: [link.name for link in network.links.lan])
    watcher = DeviceWatcher(
        path=deps.state_dir / seen_file.FILE,
        settings=lambda: store.settings,
        leases=deps.services.leases,
        neighbours=lambda: lan_devices.neighbours,
        sending=lambda: statistics.sending,
        mdns=mdns,
        ask=lan_devices.ask_for,
        own=own_addresses,
        publish=publish,
    )
    device_history = DeviceHistoryRecorder(
        records=statistics.devices,
        page=statistics.device_history,
        last_presence=statistics.last_presence,
        present=PresentDevices(lambda: store.settings, opened.present),
        seen=lambda: watcher.devices,
        get_seen=watcher.get,
        decided=[device.mac for device in store.settings.devices],
        follow=events.follow,
    )
    policies = PolicyOfAll(
        store=store,
        changes=policy_changes,
        exits=exits,
        seen=lambda: watcher.devices,
        leases=deps.services.leases,
        check_owner=owner.check,
    )
    snapshots = SnapshotReader(
        store=store,
        network=network,
        exits=exits,
        resolvers=resolver_watch,
        wan_port=wan_port,
        events=events,
        leases=deps.services.leases,
        neighbours=lambda: lan_devices.neighbours,
        seen=lambda: watcher.devices,
        exceptions=opened.present,
        check_not_restarting=check_not_restarting,
        shown=door.shown,
    )

    exceptions = Exceptions(
        opened=opened,
        changes=policy_changes,
        store=store,
        exits=exits,
        own_addresses=own_addresses,
        publish=publish,
        check_owner=owner.check,
    )

    def follow_preferences() -> None:
        lan_services.update()
        policy_changes.wake()

    policy_times = PolicyTimes(events.subscribe)
    decide = with_exceptions(opened.present)
    read_leases = aiofiles.os.wrap(deps.services.leases)
    explanations = Explanations(
        store=store,
        network=network,
        exits=lambda: [door.shown(resolver_watch.completed(status)) for status in exits.status()],
        leases=read_leases,
        neighbours=lambda: lan_devices.neighbours,
        decide=decide,
        changed=policy_times.changed,
        look_up=look_up,
        foretold=failover.foretold,
    )

    async def known_devices() -> KnownDevices:
        await lan_devices.refresh()
        return KnownDevices(store.settings.devices, tuple(await read_leases()), lan_devices.neighbours)

    pauses = Pauses(opened, exceptions)
    own_devices = OwnDevices(
        store=store,
        known=known_devices,
        why=explanations.why,
        admins=by_admin(pauses.others),
        pauses=pauses,
        follow=policy_changes.follow,
        subscribe=network.subscribe,
    )

    file_keys = FileKeys(store, registry)
    importer = ServerImporter(store, publish, check_not_restarting, file_keys)
    handlers = (
        ConnectCommands(
            exits=exits, servers=targets, waiting=auto_connect, intent=intent, failures=failures, keys=unproven
        ),
        ExitCommands(
            store=store,
            exits=exits,
            network=network,
            providers=registry,
            servers=targets,
            intent=intent,
            waiting=auto_connect,
            traffic=statistics,
            exceptions=opened,
            policies=policy_changes,
            publish=publish,
            check_owner=owner.check,
        ),
        ServerCommands(
            store=store,
            providers=registry,
            directory=directory,
            intent=intent,
            importer=importer,
            exits=exits,
            publish=publish,
        ),
        ProviderAccounts(
            providers=registry, exits=exits, verdicts=failover, store=store, file_keys=file_keys, publish=publish
        ),
        DevicePolicies(
            store=store,
            changes=policy_changes,
            exits=exits,
            check_owner=owner.check,
            publish=publish,
            own=own_addresses,
        ),
        DeviceCommands(
            store=store,
            network=network,
            changes=policy_changes,
            exceptions=exceptions,
            watcher=watcher,
            hosts=deps.services,
            neighbours=lambda: lan_devices.neighbours,
            own=own_addresses,
            apply_services=lan_services.update,
            publish=publish,
            check_owner=owner.check,
        ),
        GroupCommands(
            store=store,
            changes=policy_changes,
            exceptions=exceptions,
            exits=exits,
            own_addresses=own_addresses,
            publish=publish,
            check_owner=owner.check,
        ),
        exceptions,
        PreferenceCommands(store, publish, follow_preferences, policies),
        SelfServiceCommands(store, publish, owner.check, policy_changes.follow, own_devices.wake, own_addresses),
        explanations,
        own_devices,
        WanChooser(wan_port=wan_port, network=network, store=store, publish=publish),
        LeakTester(network, exits, store, prober, canary.probe_next),
        canary,
        Proofs(network=network, store=store, capture=capture),
        history,
        device_history,
        owner,
        backup,
        deps.logs,
        SupportFile(
            state_dir=deps.state_dir,
            store=store,
            registry=registry,
            network=network,
            statistics=statistics,
            snapshot=snapshots.read,
            logs=deps.logs,
        ),
    )
    single_commands = Commands((entry for handler in handlers for entry in handler.handlers()), check_not_restarting)
    bulk = BulkRunner(
        run=single_commands.run,
        store=store,
        exits=exits,
        policies=policy_changes,
        importer=importer,
        publish=publish,
        exceptions=exceptions,
        sightings=watcher,
        history=statistics.devices,
    )
    commands = single_commands.with_entries(bulk.handlers())

    cabling = CablingMonitor(
        problem=lambda: network.links.problem, drops=network.drops, foreign=network.foreign, publish=publish
    )
    misuse = LanMisuseMonitor(
        drops=network.drops,
        impostors=lambda: nft.elements("bridge", IMPOSTORS),
        flooding=lambda: nft.elements("bridge", FLOODING),
        publish=publish,
    )
    adapters = AdapterMonitor(run_dir / RECORD, publish=publish)
    stalls = StallMonitor(
        ports=lambda: [port.name for port in network.links.ports if port.carrier and not port.radio], publish=publish
    )
    return Daemon(
        gateway=NetdGateway(snapshots=snapshots, events=events, commands=commands, bulk=bulk, registry=registry),
        network=network,
        exits=exits,
        events=events,
        commands=commands,
        statistics=statistics,
        lan_services=lan_services,
        watcher=watcher,
        device_history=device_history,
        jobs={
            "reconciler": network.run,
            "links": network.watch_links,
            "openings": network.close_openings,
            "time": lambda: deps.time_sync.watch(network.replan, publish),
            "time servers": lambda: deps.time_sync.resolve(network.lookup),
            "services": lan_services.run,
            "clock steps": lambda: keep_leases(
                clock_steps, deps.services.lease_path, deps.services.lease_file, lan_services.move_leases
            ),
            "providers": maintenance.run,
            "devices": watcher.run,
            "neighbours": lan_devices.run,
            "mdns": mdns.run,
            "addresses in use": lan_devices.ask,
            "leases": lambda: watch_leases(deps.services.leases, publish),
            "statistics": statistics.run,
            "failover": return_to_first.run,
            "schedule": scheduled.run,
            "policies": policy_changes.run,
            "exceptions": exceptions.run,
            "cabling": cabling.run,
            "misuse": misuse.run,
            "adapters": adapters.run,
            "stalls": stalls.run,
            "canary": canary.run,
            "software age": lambda: watch_age(publish),
            "connection table": lambda: watch_connections(publish),
            "resolvers": resolver_watch.run,
            "places": places.run,
            "automatic connection": auto_connect.run,
            "exits": exits.run,
            "policy times": policy_times.run,
            "pauses": own_devices.run,
            "device history": device_history.run,
        },
        problems=(*store.problems, *provider_environment.accounts.problems, *problems),
    )
