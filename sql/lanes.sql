-- Lanes: what may leave, in which proportion and how fast.
\set ECHO none
\i sql/card.psql
\set ECHO all
INSERT INTO smsr.party (oid, kind, name) SELECT '1.3.6.1.4.1.99999.' || n, 'MNO', n FROM generate_series(5, 6) n;
CREATE FUNCTION card.tenant(n int) RETURNS text LANGUAGE sql AS $$ SELECT '1.3.6.1.4.1.99999.' || n $$;
CREATE FUNCTION card.lane(n int, p int) RETURNS bigint LANGUAGE sql AS $$ SELECT smsr.lane_of(card.tenant(n), p) $$;
-- packets that were sealed before: one card can have many of them at once.  Their
-- number says whose they are
CREATE FUNCTION card.queue_up(number text, lane bigint, n int, parts int DEFAULT 1, mno text DEFAULT '1.3.6.1.4.1.99999.3') RETURNS void LANGUAGE sql AS $$
	INSERT INTO smsr.outbound (eid, operation_id, step, destination, mno_id, lane_id, due_at, expires_at, sd_aid, kvn, cntr, segments, script, packet)
	SELECT e.eid, 0, 'audit', number, mno, lane, now() - interval '1 hour' + g * interval '1 ms', now() + interval '1 hour',
		e.isdr_aid, 2, smsr.next_id(), parts, '\x00', decode(repeat('5a', 100 + 130 * (parts - 1)), 'hex')
	FROM smsr.euicc e, generate_series(1, n) g WHERE e.eid = card.eid()
$$;
CREATE FUNCTION card.taken(max_messages int, gateway text DEFAULT 'gateway') RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(format('%s: %s', destination, n), ', ' ORDER BY destination), 'nothing')
	FROM (SELECT destination, count(*) AS n FROM smsr.claim_sms(gateway, max_messages) GROUP BY 1) c
$$;
CREATE FUNCTION card.clear() RETURNS void LANGUAGE sql AS $$
	TRUNCATE smsr.outbound, smsr.gateway_pace, smsr.tenant_pace; INSERT INTO smsr.tenant_pace SELECT tenant FROM smsr.tenant_share
$$;

-- ---- a closed lane ----

SELECT card.reset();
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT o.lane_id = smsr.lane_of(p.requester_id) AS its_own FROM smsr.outbound o JOIN smsr.operation p ON p.id = o.operation_id;
UPDATE smsr.lane SET open = false WHERE id > 2;
SELECT * FROM card.take();
UPDATE smsr.lane SET open = true WHERE id > 2;
SELECT * FROM card.take();
SELECT lane_id FROM smsr.outbound;
-- what was handed back has not left, so it stops with its lane
SELECT smsr.release_sms((card.last(1)).sms_ids);
SELECT lane_id > 2 AS its_own, attempts FROM smsr.outbound;
UPDATE smsr.lane SET open = false WHERE id > 2;
SELECT * FROM card.take();
UPDATE smsr.lane SET open = true WHERE id > 2;
SELECT * FROM card.take();
SELECT smsr.sms_refused((card.last(1)).sms_ids[1], 'throttled', true);
SELECT lane_id > 2 AS its_own, attempts FROM smsr.outbound;
UPDATE smsr.outbound SET due_at = now();
-- what has left once may go again, whatever is closed: nobody knows its fate
SELECT * FROM card.take();
SELECT smsr.sms_submitted((card.last(1)).sms_ids, '{s1}');
UPDATE smsr.outbound SET due_at = now();
UPDATE smsr.lane SET open = false WHERE id > 2;
SELECT * FROM card.take();
SELECT smsr.release_sms((card.last(1)).sms_ids);
SELECT lane_id, attempts FROM smsr.outbound;
SELECT * FROM card.take();
SELECT smsr.sms_refused((card.last(1)).sms_ids[1], 'throttled', true);
SELECT lane_id, attempts FROM smsr.outbound;
-- nor is an answer to a card held up
SELECT card.reset();
SELECT card.notify(1, 1, '10', '49000009000010');
SELECT * FROM card.take();
SELECT smsr.release_sms((card.last(1)).sms_ids);
SELECT lane_id FROM smsr.outbound;
SELECT * FROM card.take();
UPDATE smsr.lane SET open = true;
SELECT card.reset();

-- ---- windows ----

INSERT INTO smsr.lane (id, tenant, priority, campaign_id, time_zone, windows) VALUES (100, 'x', 3, 1, 'UTC', 'Mon 25:00-26:00');
INSERT INTO smsr.lane (id, tenant, priority, campaign_id, windows) VALUES (100, 'x', 3, 1, 'Mon 01:00-05:00');
SELECT smsr.lane_open(true, NULL, NULL, now()), smsr.lane_open(false, NULL, NULL, now()), smsr.lane_open(true, 'Mon 01:00-05:00', 'No/Where', now());
-- clocks in Berlin go from 2 to 3 on this Sunday
SELECT at, smsr.lane_open(true, 'Sun 01:00-05:00', 'Europe/Berlin', at) AS in_berlin, smsr.lane_open(true, 'Sun 01:00-05:00', 'America/New_York', at) AS in_new_york
	FROM unnest('{2026-03-28 23:59+00,2026-03-29 00:00+00,2026-03-29 02:59+00,2026-03-29 03:00+00,2026-03-29 05:00+00,2026-03-29 09:00+00}'::timestamptz[]) at;
SELECT smsr.local_time('2026-03-29 03:00+00', 'Europe/Berlin'), smsr.local_time('2026-03-29 03:00+00', 'No/Where'), smsr.local_time('infinity', 'UTC'),
	smsr.local_time(now(), repeat('x', 300));
INSERT INTO smsr.lane (id, tenant, priority, campaign_id, time_zone, windows)
	SELECT 100 + n, card.tenant(5), 3, n, z, to_char(now() AT TIME ZONE z + make_interval(days => n), 'Dy') || ' 00:00-24:00'
	FROM generate_series(1, 5) n, unnest('{UTC}'::text[]) z
	UNION ALL SELECT 106, card.tenant(5), 3, 6, 'Pacific/Auckland', '00:00-24:00'
	UNION ALL SELECT 107, card.tenant(5), 3, 7, 'No/Where', '00:00-24:00';
SELECT card.clear();
SELECT count(card.queue_up(id::text, id, 2)) FROM smsr.lane WHERE id BETWEEN 101 AND 107;
SELECT card.taken(100);
SELECT lane_id, state, opens_at > now() AS opens_later, queued, under_way, oldest IS NOT NULL AS has_oldest FROM smsr.queue WHERE lane_id BETWEEN 101 AND 107 ORDER BY 1;
DELETE FROM smsr.lane WHERE id BETWEEN 101 AND 107;

-- ---- priorities: 64 to 16 to 4 to 1 ----

SELECT card.clear();
SELECT count(card.queue_up((p + 1)::text, card.lane(5, p), 200)) FROM generate_series(0, 3) p;
SELECT card.taken(85);
SELECT card.taken(85);
-- one at a time comes to the same
SELECT destination, count(*) FROM (SELECT (card.taken(1)) AS destination FROM generate_series(1, 85)) c GROUP BY 1 ORDER BY 1;
-- when the urgent are served the others have all of it
SELECT card.taken(100);
SELECT card.taken(100);
SELECT card.taken(1000);
SELECT card.taken(1000);

-- ---- tenants: by their weights, however many lanes they have ----

SELECT card.clear();
INSERT INTO smsr.lane (id, tenant, priority, campaign_id) SELECT 110 + n, card.tenant(5), 2, n FROM generate_series(1, 3) n;
SELECT count(card.queue_up('5', 110 + n, 100)) FROM generate_series(1, 3) n;
SELECT card.queue_up('6', card.lane(6, 2), 300);
SELECT card.taken(60);
SELECT card.taken(1), card.taken(1), card.taken(1), card.taken(1);
SELECT smsr.set_tenant_share(card.tenant(6), 3);
SELECT card.taken(60);
-- nobody who comes later has saved anything up
SELECT card.queue_up('7', card.lane(7, 2), 100);
SELECT card.taken(50);
-- answers and repeats are nobody's, and go first; not alone
SELECT card.queue_up('1', 1, 200), card.queue_up('2', 2, 200);
SELECT card.taken(88);
-- a part that has little leaves the rest to the others, over several operators
SELECT card.clear();
INSERT INTO smsr.route VALUES ('1.3.6.1.4.1.99999.7', 'elsewhere');
SELECT card.queue_up('1', 1, 3), card.queue_up('5', 111, 2), card.queue_up('6', card.lane(6, 2), 50, mno => '1.3.6.1.4.1.99999.4'),
	card.queue_up('7', card.lane(6, 2), 50, mno => '1.3.6.1.4.1.99999.7');
SELECT card.taken(30);
SELECT card.taken(30);
SELECT card.taken(100, 'elsewhere');
DELETE FROM smsr.route;

-- one message for many lanes: a lane whose first packet has expired has another one, and
-- one whose first is not due has nothing; all get their turn
SELECT card.clear();
INSERT INTO smsr.lane (id, tenant, priority, campaign_id) SELECT 200 + n, 'many', 2, 200 + n FROM generate_series(0, 5) n;
SELECT card.queue_up('lane ' || n, 200 + n, 2) FROM generate_series(0, 5) n;
UPDATE smsr.outbound SET expires_at = now() - interval '1 s' WHERE destination IN ('lane 0', 'lane 1')
	AND id IN (SELECT min(id) FROM smsr.outbound GROUP BY destination);
UPDATE smsr.outbound SET expires_at = now() - interval '1 s' WHERE destination = 'lane 2';
UPDATE smsr.outbound SET due_at = 'infinity' WHERE destination = 'lane 3';
SELECT card.taken(1) AS taken, count(*) FROM generate_series(1, 4) GROUP BY 1 ORDER BY 1;
SELECT card.taken(9);
SELECT card.taken(9);
DELETE FROM smsr.lane WHERE campaign_id BETWEEN 200 AND 205;
SELECT card.clear();

-- ---- long packets ----

-- by messages, not packets; and none starves by being long
SELECT card.clear();
SELECT smsr.set_tenant_share(card.tenant(6), 1);
SELECT card.queue_up('5', 111, 40, 3), card.queue_up('6', card.lane(6, 2), 120);
SELECT count(*) FROM (SELECT card.taken(20) FROM generate_series(1, 6)) c;
SELECT destination, sum(segments) BETWEEN 54 AND 66 AS half FROM smsr.outbound WHERE attempts > 0 GROUP BY 1 ORDER BY 1;
-- four at a time, where the others' priority is higher
SELECT card.clear();
SELECT card.queue_up('1', 1, 200), card.queue_up('5', 111, 5, 3);
SELECT count(*) FROM (SELECT card.taken(4) FROM generate_series(1, 30)) c;
SELECT destination, sum(segments) FROM smsr.outbound WHERE attempts > 0 GROUP BY 1 ORDER BY 1;
-- less room than it takes: it keeps its place
SELECT card.clear();
SELECT card.queue_up('5', 111, 1, 3), card.queue_up('6', card.lane(6, 2), 1);
SELECT card.taken(2);
SELECT card.taken(32);
SELECT card.taken(32);

-- ---- limits ----

SELECT smsr.set_gateway_limit('', 10);
SELECT smsr.set_gateway_limit('gateway', 4);
SELECT smsr.set_gateway_limit('gateway', 0);
SELECT smsr.set_tenant_share('1.2.3');
SELECT smsr.set_tenant_share(NULL);
SELECT smsr.set_tenant_share(card.tenant(5), 0);
SELECT smsr.set_tenant_share(card.tenant(5), 1001);
SELECT smsr.set_tenant_share(card.tenant(5), 1, 2);
SELECT smsr.set_gateway_limit('gateway', 10);
TRUNCATE smsr.bind_count;
SELECT gateway, limit_per_second, last_minute FROM smsr.bind_rate;
-- claims in a row for a second and more; no second has more than ten, those of the time
-- between two looks at the clock included
CREATE TABLE card.claim (n int GENERATED ALWAYS AS IDENTITY, bind text, destination text, messages int, before timestamptz, after timestamptz);
CREATE FUNCTION card.claims(bind text, long interval, OUT most int, OUT total int) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
	started timestamptz;
	n int := 0;
BEGIN
	TRUNCATE card.claim;
	WHILE clock_timestamp() < began + long
	LOOP
		started := clock_timestamp();
		n := n + 1;
		INSERT INTO card.claim (bind, destination, messages, before, after)
			SELECT b, c.destination, count(*), started, clock_timestamp()
			FROM unnest(string_to_array(bind, ',')) b, smsr.claim_sms(b, 1 + 3 * n % 8) c GROUP BY 1, 2;
		UPDATE card.claim c SET after = clock_timestamp() WHERE c.before = started;
		PERFORM pg_sleep(0.02);
	END LOOP;
	-- all that lies within a second for certain
	SELECT max(s.messages) INTO most FROM (SELECT (SELECT sum(b.messages) FROM card.claim b
		WHERE b.before >= a.before AND b.after < a.before + interval '1 s') AS messages FROM card.claim a) s;
	SELECT sum(c.messages) INTO total FROM card.claim c;
END $$;
SELECT card.clear();
SELECT smsr.set_gateway_limit('gateway', 10);
SELECT card.queue_up('5', 111, 300), card.queue_up('6', card.lane(6, 2), 300);
SELECT most, total BETWEEN 11 AND 30 AS total FROM card.claims('gateway', '1.1 s');
-- half each all the same
SELECT abs(sum(CASE destination WHEN '5' THEN messages ELSE - messages END)) <= 2 AS even FROM card.claim;
-- another bind has none
SELECT card.taken(100, 'other');
-- ahead: those of now and those of a second later
SELECT smsr.set_gateway_limit('gateway', 10, '10001 ms');
SELECT smsr.set_gateway_limit('gateway', 10, NULL);
SELECT smsr.set_gateway_limit('gateway', 10, '1500 ms');
UPDATE smsr.gateway_pace SET pace = NULL;
SELECT count(*) FROM smsr.claim_sms('gateway', 100);
SELECT count(*) FROM smsr.claim_sms('gateway', 100);
SELECT smsr.set_gateway_limit('gateway', 10);
SELECT count(*) FROM smsr.claim_sms('gateway', 100);
SELECT smsr.set_gateway_limit('gateway', NULL);
SELECT card.taken(20);
-- a tenant's is one over all binds, and stops no other
SELECT card.clear();
SELECT smsr.set_tenant_share(card.tenant(5), 1, 10);
SELECT card.queue_up('5', 111, 300), card.queue_up('5', 112, 300);
SELECT most, total BETWEEN 11 AND 30 AS total FROM card.claims('gateway,other', '1.1 s');
SELECT card.queue_up('6', card.lane(6, 2), 50);
SELECT card.taken(50) ~ '6: (4[0-9]|50)' AS others;
-- its long packets wait until there is room
SELECT card.clear();
SELECT card.queue_up('5', 111, 100, 4), card.queue_up('5', 112, 100), card.queue_up('6', card.lane(6, 2), 2);
SELECT card.taken(100) ~ '5: (8|9|10), 6: 2' AS first;
SELECT pg_sleep(0.8);
SELECT most <= 10 AS most, total > 0 AS total FROM card.claims('gateway', '0.3 s');
SELECT count(*) > 1 AS long_ones FROM smsr.outbound WHERE attempts > 0 AND segments = 4;
-- who set what
SELECT function, encode(operation_type, 'hex') AS type, status, details FROM smsr.audit_trail WHERE function IN ('set_gateway_limit', 'set_tenant_share') ORDER BY position;
-- a packet that no second has room for is out of the way, and visible
SELECT card.reset(), card.clear();
SELECT card.queue_up('5', 111, 1, 11), card.queue_up('5', 111, 1);
SELECT card.taken(32);
UPDATE smsr.tenant_pace SET pace = NULL;
SELECT card.taken(32);
SELECT outcome, detail FROM card.messages;
SELECT smsr.set_tenant_share(card.tenant(5));

-- ---- what binds carry ----

SELECT tenant, weight, per_second, set_by = current_user AS set_by FROM smsr.tenant_share ORDER BY 1;
SELECT card.reset(), card.clear();
TRUNCATE smsr.bind_count;
-- by one clock
BEGIN;
SELECT card.queue_up('5', 111, 30), card.queue_up('6', 112, 30, 2);
SELECT smsr.sms_submitted(array_agg(sms_id), array_agg('x'::text)) FROM smsr.claim_sms('gateway', 40);
SELECT smsr.sms_submitted(array_agg(sms_id), array_agg('x'::text)) FROM smsr.claim_sms('gateway', 100);
SELECT smsr.sms_submitted('{-1}', '{x}');
SELECT gateway, connection = pg_backend_pid() AS own, sum(messages) FROM smsr.bind_count GROUP BY 1, 2;
-- the ten seconds that are not over do not count yet
SELECT gateway, last_10_seconds, last_minute FROM smsr.bind_rate WHERE gateway = 'gateway';
TRUNCATE smsr.bind_count;
INSERT INTO smsr.bind_count SELECT date_bin('10 s', now(), 'epoch') - make_interval(secs => 10 * s), 'gateway', c, m
	FROM (VALUES (1, 1, 400), (1, 2, 200), (3, 1, 600), (100, 1, 1200), (10000, 1, 999)) v (s, c, m);
SELECT gateway, limit_per_second, last_10_seconds, last_minute, last_10_minutes, when_busy, most FROM smsr.bind_rate WHERE gateway = 'gateway';
COMMIT;
-- who counts forgets what is more than an hour old
SELECT card.queue_up('5', 111, 1);
SELECT smsr.sms_submitted(array_agg(sms_id), array_agg('x'::text)) FROM smsr.claim_sms('gateway', 1);
SELECT sum(messages) FROM smsr.bind_count;
SELECT gateway, messages FROM smsr.bind_count WHERE messages = 999;

TRUNCATE smsr.gateway_limit, smsr.tenant_share, smsr.gateway_pace, smsr.tenant_pace, smsr.bind_count;
DELETE FROM smsr.lane WHERE id > 2;

\set ECHO none
\i sql/card_end.psql
