#!/usr/bin/env python3
"""Drives a simulated manager with the official client, cm-client, through more than 60 of its calls.

usage: official_client.py DRSYNC

What the client sends must be taken, what it gets must fit its models, and what it wrote must be
there when it reads again.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import cm_client
from cm_client.rest import ApiException

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
CLUSTER = "lake"
SPARK = "3.3.2.3.3.7191000.0-78-1.p0.57384092"
URLS = (
    "https://archive.cloudera.com/p/cdh7/7.1.9/parcels/,"
    "https://archive.cloudera.com/p/spark3/3.3.7191000.0/parcels/"
)
called = set()


class Counted:
    """An API of the client of which every call is noted by name."""

    def __init__(self, api):
        self._api = api

    def __getattr__(self, name):
        call = getattr(self._api, name)

        def noted(*arguments, **options):
            called.add(f"{type(self._api).__name__}.{name}")
            return call(*arguments, **options)

        return noted


def expect(what, found, wanted):
    if found != wanted:
        raise SystemExit(f"{what}: found {found!r}, wanted {wanted!r}")


def refused(status, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except ApiException as error:
        return expect(f"status of {call.__name__}", error.status, status)
    raise SystemExit(f"{call.__name__} was not refused")


def finished(commands, command):
    for _ in range(300):
        command = commands.read_command(command.id)
        if not command.active:
            expect(f"success of {command.name}", command.success, True)
            return command
        time.sleep(0.05)
    raise SystemExit(f"{command.name} does not end")


def config(**values):
    return cm_client.ApiConfigList(
        [cm_client.ApiConfig(name=name, value=value) for name, value in values.items()]
    )


def value(listed, name):
    return next((item.value for item in listed.items if item.name == name), None)


def manager(api):
    cm, tools, commands = api("ClouderaManagerResourceApi"), api("ToolsResourceApi"), api("CommandsResourceApi")
    expect("echo", tools.echo(message="hello").message, "hello")
    refused(400, tools.echo_error, message="no")
    expect("version", cm.get_version().version, "7.11.3")
    expect("servers", len(cm.read_instances().items), 1)
    expect("server", cm.read_instance(cm.read_instances().items[0].cm_server_id).name[:3], "cm.")
    expect("database", cm.get_scm_db_info().scm_db_type, "POSTGRESQL")
    cm.get_shutdown_readiness()
    expect("commands", cm.list_active_commands().items, [])
    expect("clusters of the deployment", len(cm.get_deployment2().clusters), 1)
    cm.update_config(body=config(SESSION_TIMEOUT="901"), message="by the client")
    expect("setting", value(cm.get_config(view="summary"), "SESSION_TIMEOUT"), "901")
    refused(400, cm.update_config, body=config(NO_SUCH_SETTING="1"))
    hosts = api("AllHostsResourceApi")
    hosts.update_config(body=config(java_home="/usr/java/jdk-17"))
    expect("setting", value(hosts.read_config(), "java_home"), "/usr/java/jdk-17")
    cm.update_config(body=config(REMOTE_PARCEL_REPO_URLS=URLS))
    finished(commands, cm.refresh_parcel_repos())
    events = api("EventsResourceApi").read_events(query="attributes.EVENTCODE==EV_REVISION_CREATED")
    assert any("by the client" in event.content for event in events.items), events


def clusters(api):
    all_of_them, commands = api("ClustersResourceApi"), api("CommandsResourceApi")
    expect("clusters", [c.name for c in all_of_them.read_clusters().items], [CLUSTER])
    expect("cluster", all_of_them.read_cluster(CLUSTER).full_version, "7.1.9")
    assert "KAFKA" in all_of_them.list_service_types(CLUSTER).items
    expect("hosts", len(all_of_them.list_hosts(CLUSTER).items) >= 5, True)
    all_of_them.is_tls_enabled(CLUSTER)
    expect("export", all_of_them.export(CLUSTER).cdh_version, "7.1.9")
    expect("commands", all_of_them.list_active_commands(CLUSTER).items, [])
    names = ["kafka"]
    rolling = cm_client.ApiRollingRestartClusterArgs(restart_service_names=names, roles_to_include="ALL_ROLES")
    finished(commands, all_of_them.rolling_restart(CLUSTER, body=rolling))
    plain = cm_client.ApiRestartClusterArgs(restart_service_names=names)
    finished(commands, all_of_them.restart_command(CLUSTER, body=plain))
    finished(commands, all_of_them.refresh(CLUSTER))
    finished(commands, all_of_them.deploy_client_config(CLUSTER))


def services(api):
    all_of_them, commands = api("ServicesResourceApi"), api("CommandsResourceApi")
    roles, groups = api("RolesResourceApi"), api("RoleConfigGroupsResourceApi")
    kafka = next(s for s in all_of_them.read_services(CLUSTER).items if s.name == "kafka")
    expect("type", kafka.type, "KAFKA")
    expect("state", all_of_them.read_service(CLUSTER, "kafka").service_state, "STARTED")
    all_of_them.update_service_config(CLUSTER, "kafka", body=config(**{"num.partitions": "7"}))
    expect("setting", value(all_of_them.read_service_config(CLUSTER, "kafka"), "num.partitions"), "7")
    full = all_of_them.read_service_config(CLUSTER, "kafka", view="full")
    expect("default", next(i.default for i in full.items if i.name == "num.partitions"), "1")
    assert "KAFKA_BROKER" in all_of_them.list_role_types(CLUSTER, "kafka").items
    expect("commands", all_of_them.list_active_commands(CLUSTER, "kafka").items, [])
    finished(commands, all_of_them.restart_command(CLUSTER, "kafka"))
    finished(commands, all_of_them.rolling_restart(CLUSTER, "kafka", body=cm_client.ApiRollingRestartArgs()))
    finished(commands, all_of_them.deploy_client_config_command(CLUSTER, "kafka", body=cm_client.ApiRoleNameList([])))

    new = cm_client.ApiServiceList([cm_client.ApiService(name="audit", type="KAFKA")])
    expect("made", all_of_them.create_services(CLUSTER, body=new).items[0].service_state, "NA")
    refused(400, all_of_them.create_services, CLUSTER, body=new)
    host = api("ClustersResourceApi").list_hosts(CLUSTER).items[0]
    role = cm_client.ApiRole(type="KAFKA_BROKER", host_ref=cm_client.ApiHostRef(host_id=host.host_id))
    made = roles.create_roles(CLUSTER, "audit", body=cm_client.ApiRoleList([role])).items[0]
    expect("state of a new role", made.role_state, "STOPPED")
    expect("role", roles.read_role(CLUSTER, made.name, "audit").type, "KAFKA_BROKER")
    expect("roles", len(roles.read_roles(CLUSTER, "audit", filter="type==KAFKA_BROKER").items), 1)
    roles.update_role_config(CLUSTER, made.name, "audit", body=config(log_threshold="DEBUG"))
    expect("setting", value(roles.read_role_config(CLUSTER, made.name, "audit"), "log_threshold"), "DEBUG")

    group = cm_client.ApiRoleConfigGroup(name="large", role_type="KAFKA_BROKER", display_name="Large")
    groups.create_role_config_groups(CLUSTER, "audit", body=cm_client.ApiRoleConfigGroupList([group]))
    groups.update_role_config_group(CLUSTER, "large", "audit", body=cm_client.ApiRoleConfigGroup(display_name="XL"))
    expect("name", groups.read_role_config_group(CLUSTER, "large", "audit").display_name, "XL")
    groups.move_roles(CLUSTER, "large", "audit", body=cm_client.ApiRoleNameList([made.name]))
    expect("moved", [r.name for r in groups.read_roles(CLUSTER, "large", "audit").items], [made.name])
    groups.update_config(CLUSTER, "large", "audit", body=config(broker_max_heap_size="2048"))
    expect("setting", value(groups.read_config(CLUSTER, "large", "audit"), "broker_max_heap_size"), "2048")
    groups.move_roles_to_base_group(CLUSTER, "audit", body=cm_client.ApiRoleNameList([made.name]))
    groups.delete_role_config_group(CLUSTER, "large", "audit")
    assert "large" not in [g.name for g in groups.read_role_config_groups(CLUSTER, "audit").items]

    finished(commands, all_of_them.start_command(CLUSTER, "audit"))
    refused(400, all_of_them.delete_service, CLUSTER, "audit")
    names = cm_client.ApiRoleNameList([made.name])
    of_roles = api("RoleCommandsResourceApi")
    for call in [of_roles.restart_command, of_roles.refresh_command, of_roles.stop_command, of_roles.start_command]:
        for command in call(CLUSTER, "audit", body=names).items:
            finished(commands, command)
    finished(commands, all_of_them.stop_command(CLUSTER, "audit"))
    roles.bulk_delete_roles(CLUSTER, "audit", body=names)
    all_of_them.update_service(CLUSTER, "audit", body=cm_client.ApiService(display_name="Audit"))
    expect("gone", all_of_them.delete_service(CLUSTER, "audit").display_name, "Audit")
    refused(404, all_of_them.read_service, CLUSTER, "audit")


def hosts(api):
    all_of_them, cm, commands = api("HostsResourceApi"), api("ClouderaManagerResourceApi"), api("CommandsResourceApi")
    host = all_of_them.read_hosts(view="full").items[-1]
    one = lambda: all_of_them.read_host(host.host_id)
    all_of_them.update_host(host.host_id, body=cm_client.ApiHost(rack_id="/r9"))
    expect("rack", one().rack_id, "/r9")
    all_of_them.update_host_config(host.host_id, body=config(java_home="/opt/java"))
    expect("setting", value(all_of_them.read_host_config(host.host_id), "java_home"), "/opt/java")
    all_of_them.enter_maintenance_mode(host.host_id)
    expect("maintenance", one().maintenance_mode, True)
    all_of_them.exit_maintenance_mode(host.host_id)
    expect("maintenance", one().maintenance_mode, False)
    tag = cm_client.ApiEntityTag(name="owner", value="us")
    all_of_them.add_tags(host.hostname, body=[tag])
    expect("tags", [t.value for t in all_of_them.read_tags(host.hostname)], ["us"])
    all_of_them.delete_tags(host.hostname, body=[tag])
    expect("tags", all_of_them.read_tags(host.hostname), [])
    names = cm_client.ApiHostNameList([host.hostname])
    finished(commands, cm.hosts_decommission_command(body=names))
    expect("state", one().commission_state, "DECOMMISSIONED")
    finished(commands, cm.hosts_recommission_command(body=names))
    expect("state", one().commission_state, "COMMISSIONED")


def parcels(api):
    one, all_of_them = api("ParcelResourceApi"), api("ParcelsResourceApi")
    assert "SPARK3" in [p.product for p in all_of_them.read_parcels(CLUSTER).items]
    expect("in use", [p.parcel_ref.parcel_name for p in all_of_them.get_parcel_usage(CLUSTER).parcels], ["CDH"])

    def reaches(call, stage):
        for _ in range(200):
            try:
                call(CLUSTER, "SPARK3", SPARK)
                break
            except ApiException as error:
                expect("status of a parcel that is not ready", error.status, 400)
                time.sleep(0.05)
        for _ in range(200):
            if one.read_parcel(CLUSTER, "SPARK3", SPARK).stage == stage:
                return
            time.sleep(0.05)
        raise SystemExit(f"the parcel is not {stage}")

    reaches(one.start_download_command, "DOWNLOADED")
    reaches(one.start_distribution_command, "DISTRIBUTED")
    reaches(one.activate_command, "ACTIVATED")
    reaches(one.deactivate_command, "DISTRIBUTED")
    reaches(one.start_removal_of_distribution_command, "DOWNLOADED")
    reaches(one.remove_download_command, "AVAILABLE_REMOTELY")


def access(api):
    users, peers, templates = api("UsersResourceApi"), api("CmPeersResourceApi"), api("HostTemplatesResourceApi")
    role = lambda name: [cm_client.ApiAuthRoleRef(name=name)]
    eve = cm_client.ApiUser2(name="eve", password="hush", auth_roles=role("ROLE_USER"))
    users.create_users2(body=cm_client.ApiUser2List([eve]))
    users.update_user2("eve", body=cm_client.ApiUser2(name="eve", auth_roles=role("ROLE_ADMIN")))
    expect("roles", [r.name for r in users.read_user2("eve").auth_roles], ["ROLE_ADMIN"])
    users.delete_user2("eve")
    expect("users", [u.name for u in users.read_users2().items], ["admin"])

    peers.create_peer(body=cm_client.ApiCmPeer(name="pri", url="https://cm:7183", username="r", password="hush"))
    peers.update_peer("pri", body=cm_client.ApiCmPeer(name="pri", url="https://other:7183", username="r"))
    expect("peer", peers.read_peer("pri").url, "https://other:7183")
    expect("password", peers.list_peers().items[0].password, None)
    peers.delete_peer("pri")

    group = lambda name: cm_client.ApiRoleConfigGroupRef(role_config_group_name=name)
    worker = cm_client.ApiHostTemplate(name="t", role_config_group_refs=[group("hdfs-DATANODE-BASE")])
    templates.create_host_templates(CLUSTER, body=cm_client.ApiHostTemplateList([worker]))
    worker.role_config_group_refs.append(group("yarn-NODEMANAGER-BASE"))
    templates.update_host_template(CLUSTER, "t", body=worker)
    expect("groups", len(templates.read_host_template(CLUSTER, "t").role_config_group_refs), 2)
    templates.delete_host_template(CLUSTER, "t")
    assert "t" not in [t.name for t in templates.read_host_templates(CLUSTER).items]


def management(api):
    service, roles, groups = api("MgmtServiceResourceApi"), api("MgmtRolesResourceApi"), api("MgmtRoleConfigGroupsResourceApi")
    expect("type", service.read_service().type, "MGMT")
    service.update_service_config(body=config(enable_alerts="false"))
    expect("setting", value(service.read_service_config(), "enable_alerts"), "false")
    listed = roles.read_roles().items
    expect("role", roles.read_role(listed[0].name).name, listed[0].name)
    group = next(g.name for g in groups.read_role_config_groups().items if g.role_type == "EVENTSERVER")
    expect("group", groups.read_role_config_group(group).base, True)
    groups.update_config(group, body=config(event_server_heapsize="2147483648"))
    expect("setting", value(groups.read_config(group), "event_server_heapsize"), "2147483648")
    finished(api("CommandsResourceApi"), service.restart_command())
    names = cm_client.ApiRoleNameList([listed[0].name])
    for command in api("MgmtRoleCommandsResourceApi").restart_command(body=names).items:
        finished(api("CommandsResourceApi"), command)


def drive(line):
    cm_client.configuration.username = line["user"]
    cm_client.configuration.password = line["password"]
    client = cm_client.ApiClient(f"{line['url']}/api/v45")
    api = lambda name: Counted(getattr(cm_client, name)(client))
    for area in [manager, clusters, services, hosts, parcels, access, management]:
        area(api)
    if len(called) < 60:
        raise SystemExit(f"only {len(called)} calls of the client were made")
    print(f"{len(called)} calls of cm-client, each taken and answered as it expects")


def main():
    drsync = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        inventory = pathlib.Path(folder)
        (inventory / "resources").mkdir()
        (inventory / "resources/all.yaml").write_text("[]\n")
        (inventory / "hosts.yaml").write_text("all: { children: { dr: {}, primary: {} } }\n")
        seed = REPOSITORY / "inventories/demo/sandbox/dr.json"
        manager = f"{{ manager: {{ sandbox: {{ seed: {seed} }} }} }}"
        (inventory / "pair.yaml").write_text(f"pair: c\nsides: {{ dr: {manager}, primary: {{}} }}\n")
        serving = [drsync, "sandbox", "serve", "-i", folder]
        with subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as server:
            try:
                drive(json.loads(server.stdout.readline()))
            finally:
                server.terminate()


main()
