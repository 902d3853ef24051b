"""Arrays on a GPU come back to the host; what `tinyrnn.data` gives out is NumPy's."""

import numpy as np

import tinyrnn as tr
from tinyrnn import data


def test_numbers_on_a_gpu_are_read(fake_cupy):
    series = fake_cupy.asarray(np.arange(12.0, dtype=np.float32))
    on_gpu, on_host = tr.tensor(series), np.arange(12.0, dtype=np.float32)
    for given in (series, on_gpu):
        x, y = data.windows(given, 3)
        (batch,) = data.Batches(given, given, batch_size=12)
        (padded,) = data.BucketBatches([given], batch_size=1)
        found = [x[:, 0, 0], y[:, 0, 0], batch.x, padded.x[:, 0], data.StandardScaler().fit_transform(given)]
        scaled = data.StandardScaler().fit_transform(on_host)
        for array, expected in zip(found, (on_host[:9], on_host[3:], on_host, on_host, scaled)):
            assert type(array) is np.ndarray and np.array_equal(array, expected)


def test_predicted_codes_on_a_gpu_are_decoded_and_streamed(fake_cupy):
    vocabulary = data.CharacterVocabulary.build("abc")
    codes = fake_cupy.asarray(np.array([2, 1, 0, 1]))
    assert vocabulary.decode(codes) == "cbab"
    assert next(iter(data.Streams(codes, streams=1, window=3))).y.T.tolist() == [[1, 0, 1]]
