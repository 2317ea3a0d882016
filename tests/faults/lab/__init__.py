"""Real stores that are broken on purpose, a load that keeps sending meanwhile, and an exact account of what became of it.

    Server, Sentinels, Cluster    redis-servers that can be killed, stopped, moved, cut off
    Memory                        the store inside the daemon
    faults                        what may happen to one, as context managers
    Network                       hosts with a network of their own, that can be cut off
    SlowLine                      a server behind a bad line             Disk     a small disk that can be full
    Scene                         daemons, a store and a load of 64 connections; phases; and the promises, checked
    figures                       what was measured, one row a test, as tests/run prints it

The daemon, its command, folders and waiting come from the end-to-end rig. All of it needs root (namespaces, tmpfs).
"""

from . import account, faults, figures
from .cluster import Cluster
from .disk import Disk
from .load import Load
from .memory import Memory
from .network import Network
from .scene import Scene
from .sentinels import Sentinels
from .servers import Server
from .slow_line import SlowLine

__all__ = ["Cluster", "Disk", "Load", "Memory", "Network", "Scene", "Sentinels", "Server", "SlowLine", "account", "faults", "figures"]
