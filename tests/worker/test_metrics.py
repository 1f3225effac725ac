"""What a worker's operator is told of tasks."""

from __future__ import annotations

import pytest

from cloister.worker.metrics import REGISTRY, held_memory


@pytest.mark.parametrize(
    ("peak", "told"), [(0, 1), (1, 1), (3, 4), (1 << 26, 1 << 26), ((1 << 26) + 1, 1 << 27), ((1 << 27) - 1, 1 << 27)]
)
def test_of_the_memory_that_a_task_held_only_the_magnitude_is_told(peak: int, told: int) -> None:
    before = REGISTRY.get_sample_value("cloister_worker_task_peak_memory_bytes_sum")
    held_memory(peak)
    after = REGISTRY.get_sample_value("cloister_worker_task_peak_memory_bytes_sum")
    assert before is not None
    assert after == before + told
