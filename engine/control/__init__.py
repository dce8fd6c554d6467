"""Control: the only door for changes by people. One function per action, transactional and audited."""


def all_actions() -> None:
    """Register every action: importing a subject's module declares its actions."""
    from engine.control import (  # noqa: F401
        alarms,
        approvals,
        campaigns,
        drafting,
        editing,
        engine,
        inbound,
        intake,
        jobs,
        people,
        preflight,
        queues,
        resolving,
        retention,
        schedules,
        starting,
        suppressions,
        testing,
        unsubscribing,
        work,
    )
