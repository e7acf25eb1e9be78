"""The choice of an agent."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from steersman.agents.selection import Candidate, choose

OURS, THEIRS = UUID(int=1), UUID(int=2)


def agent(number: int, **changes: object) -> Candidate:
    values: dict = {
        "id": UUID(int=number), "project_id": OURS, "name": f"agent-{number}", "version": "1.0.0", "protocol": "http",
        "endpoint": "http://x.example", "shared": False, "capabilities": frozenset({"do"}), "max_concurrency": 4,
        "price_per_call_usd": 0.0,
    }  # fmt: skip
    return Candidate(**{**values, **changes})


def chosen(
    *candidates: Candidate, load: dict[UUID, int] | None = None, avoid: str | None = None
) -> Candidate | None:
    picks = {
        choose(order, capability="do", project_id=OURS, load=load or {}, avoid=avoid)
        for order in (candidates, candidates[::-1])
    }
    assert len(picks) == 1, "the order of the candidates decides"
    return picks.pop()


candidates = st.builds(
    agent,
    st.integers(1, 50),
    project_id=st.sampled_from([OURS, THEIRS]),
    shared=st.booleans(),
    capabilities=st.frozensets(st.sampled_from(["do", "other"])),
    max_concurrency=st.integers(1, 5),
    price_per_call_usd=st.floats(0, 1),
    version=st.sampled_from(["1.0.0", "1.10.0", "2.0.0-rc1", "odd", ""]),
)
loads = st.dictionaries(st.integers(1, 50).map(lambda n: UUID(int=n)), st.integers(0, 9))


@given(st.lists(candidates, max_size=8), loads, st.none() | st.integers(1, 50).map(lambda n: f"agent-{n}"))
def test_the_chosen_agent_is_able_and_one_is_chosen_if_any_is(
    given_agents: list[Candidate], load: dict[UUID, int], avoid: str | None
) -> None:
    """The choice has the capability and may be used by the project; there is none only where no agent may do it."""
    able = [a for a in given_agents if "do" in a.capabilities and (a.shared or a.project_id == OURS)]
    picked = choose(given_agents, capability="do", project_id=OURS, load=load, avoid=avoid)
    assert (picked in able) if able else picked is None
    if picked and any(a.name != avoid for a in able):
        assert picked.name != avoid


def test_the_one_that_failed_before_is_avoided_while_there_is_another() -> None:
    """The agent of the failed attempt is taken again only when nobody else can, even if the other is full."""
    assert chosen(agent(1), agent(2), load={UUID(int=2): 9}, avoid="agent-1") == agent(2)
    assert chosen(agent(1), avoid="agent-1") == agent(1)


def test_a_full_agent_is_taken_only_when_all_are_full() -> None:
    """An agent with all its places taken comes after every other, own or shared."""
    free = agent(2, project_id=THEIRS, shared=True, price_per_call_usd=1.0)
    assert chosen(agent(1), free, load={UUID(int=1): 4}) == free
    assert chosen(agent(1), load={UUID(int=1): 4}) == agent(1)


def test_own_agents_come_before_shared_ones() -> None:
    """A project's own agent is preferred to a shared one, whatever its load and price; a foreign one is no choice."""
    own, shared = agent(1, price_per_call_usd=1.0), agent(2, project_id=THEIRS, shared=True)
    assert chosen(own, shared, load={UUID(int=1): 3}) == own
    assert chosen(agent(3, project_id=THEIRS)) is None


def test_the_least_loaded_for_its_size_is_taken() -> None:
    """Load is measured against what an agent can take."""
    small, large = agent(1, max_concurrency=2), agent(2, max_concurrency=10, price_per_call_usd=1.0)
    assert chosen(small, large, load={UUID(int=1): 1, UUID(int=2): 4}) == large


def test_then_price_then_version_then_name() -> None:
    """Equally loaded agents are told apart by price, then by the newest version, then by name."""
    assert chosen(agent(1, price_per_call_usd=0.2), agent(2, price_per_call_usd=0.1)) == agent(
        2, price_per_call_usd=0.1
    )
    assert chosen(agent(1, version="1.9.0"), agent(2, version="1.10.0")) == agent(2, version="1.10.0")
    assert chosen(agent(1, version="not a version"), agent(2, version="0.0.1")) == agent(2, version="0.0.1")
    assert chosen(agent(1), agent(2)) == agent(1)
