-- Messages received in batches are processed as they would be one by one: the
-- same random traffic is fed both ways, from the same state, and all tables that
-- come of it are compared.
\set ECHO none
\i sql/card.psql
\i sql/traffic.psql
\set ECHO all

-- answers good, bad, doubled, late and in the clear, notifications awaited and not,
-- again, overtaken, with gaps, of other ISD-Ps, of strangers, under other keys
SELECT card.more(10);
SELECT card.reset();
SELECT r.seed, d.line FROM generate_series(1, 2) r (seed) CROSS JOIN LATERAL card.differences(r.seed, 5) d (line);
-- that was no accident: this has come up, and much of it went by batches
SELECT outcome FROM card.tally WHERE outcome IS NOT NULL GROUP BY 1 ORDER BY 1;
SELECT sum(alone) < 0.8 * sum(one_by_one) AS batched FROM card.tally;

\set ECHO none
\i sql/card_end.psql
