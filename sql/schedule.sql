-- What the scheduler is made of, from SQL: windows, pace, shares, waves, brakes
-- and forecasts.  core's tests have the vectors and the models; here are the faces.
\set VERBOSITY default
\pset null '(null)'
-- ---- windows ----
-- the edges of each window, and of the week; 2026-11-16 is a Monday
SELECT to_char(t, 'Dy HH24:MI:SS') AS local, smsr.window_open(w, t) AS open,
	to_char(smsr.window_opens(w, t), 'Dy HH24:MI:SS') AS opens, to_char(smsr.window_closes(w, t), 'Dy HH24:MI:SS') AS closes
FROM (VALUES ('Mon-Fri 01:00-05:00, Sat,Sun 00:00-24:00, 22:00-04:00')) v (w),
	unnest(ARRAY['2026-11-16 00:00', '2026-11-16 03:59:59.999999', '2026-11-16 05:00', '2026-11-16 21:59:59', '2026-11-16 22:00',
		'2026-11-20 23:00', '2026-11-22 12:00:30', '2026-11-22 23:59:59.999999']::timestamp[]) t;
-- over Sunday midnight, and what belongs to which day
SELECT to_char(t, 'Dy HH24:MI') AS local, smsr.window_open('Sun 22:00-04:00', t) AS open,
	smsr.window_opens('Sun 22:00-04:00', t) AS opens, smsr.window_closes('Sun 22:00-04:00', t) AS closes
FROM unnest(ARRAY['2026-11-15 21:59', '2026-11-15 22:00', '2026-11-16 03:59', '2026-11-16 04:00', '2026-11-22 22:00', '1999-12-27 03:59']::timestamp[]) t;
SELECT smsr.window_open(NULL, '2026-11-16'), smsr.window_opens(NULL, '2026-11-16'), smsr.window_closes(NULL, '2026-11-16'),
	smsr.window_closes('Mon-Sun 00:00-24:00', '2026-11-16') AS never, smsr.window_open('Mon 00:00-24:00', NULL) AS when;
SELECT w, smsr.valid_windows(w), smsr.windows_fault(w)
FROM unnest(ARRAY['mon 1:00-05:00', '', 'Mon', 'Mon-', 'Mon 05:00-05:00', '24:00-05:00', '23:60-24:00', '00:00-24:01', 'Mon 01:00-05:00,',
	'Mon 01:00-05:00; Tue', 'Mon 01:00', 'Fri-Mon 22:00-02:00 04:00-05:00', NULL]) w;
SELECT smsr.window_open('Moon 01:00-05:00', '2026-11-16');
SELECT smsr.window_opens('Mon 01:00-05:00', 'infinity');
SELECT smsr.window_closes('Mon 01:00-05:00', '294276-12-31 23:00');
SELECT smsr.window_opens('Mon 01:00-05:00', '294276-12-31 23:59');
SELECT smsr.windows_fault(repeat(' ', 1000) || '01:00-02:00');
-- ---- pace ----
-- ten a second: what was granted counts for exactly a second
CREATE TABLE paced (at int, n int, granted int);
DO $$
DECLARE
	state bytea;
	g int;
BEGIN
	FOR i IN 0 .. 30 LOOP
		SELECT p.granted, p.next INTO g, state
		FROM smsr.pace(state, 10, timestamptz '2026-11-22 00:00Z' + i * interval '100 ms', CASE WHEN i = 3 THEN 20 ELSE 3 END) p;
		INSERT INTO paced VALUES (i * 100, CASE WHEN i = 3 THEN 20 ELSE 3 END, g);
		ASSERT length(state) < 2048;
	END LOOP;
END $$;
SELECT string_agg(granted::text, ' ' ORDER BY at) FROM paced;
SELECT max(n) FROM (SELECT sum(granted) OVER (ORDER BY at RANGE BETWEEN CURRENT ROW AND 999 FOLLOWING) AS n FROM paced) s;
-- no limit is counted too; a lower limit holds for what went before it; a clock that goes back grants nothing
SELECT a.granted, b.granted AS later, c.granted AS back, d.granted AS after
FROM smsr.pace(NULL, NULL, '2026-11-22 00:00Z', 1000) a,
	smsr.pace(a.next, 1001, '2026-11-22 00:00:00.999999Z', 1000) b,
	smsr.pace(b.next, 1001, '2026-11-21 23:59:59Z', 1000) c,
	smsr.pace(c.next, 1001, '2026-11-22 00:00:01Z', 5000) d;
-- for who spaces them himself: those of now and those of a second later
SELECT a.granted, b.granted AS again, c.granted AS later, d.granted AS now
FROM smsr.pace(NULL, 10, '2026-11-22 00:00Z', 1000, '1500 ms') a,
	smsr.pace(a.next, 10, '2026-11-22 00:00:00.4Z', 1000, '1500 ms') b,
	smsr.pace(b.next, 10, '2026-11-22 00:00:00.5Z', 1000, '1500 ms') c,
	smsr.pace(c.next, 10, '2026-11-22 00:00:02Z', 1000) d;
SELECT smsr.pace(NULL, 10, '2026-11-22 00:00Z', 5, '10001 ms');
SELECT smsr.pace(NULL, 10, '2026-11-22 00:00Z', 5, '-1 us');
SELECT smsr.pace(NULL, 10, '2026-11-22 00:00Z', 5, '1 day');
SELECT smsr.pace(NULL, 10, '2026-11-22 00:00Z', 5, NULL);
SELECT granted, length(next) FROM smsr.pace('', 0, '2026-11-22 00:00Z', 5);
SELECT smsr.pace(NULL, -1, '2026-11-22 00:00Z', 5);
SELECT smsr.pace(NULL, 1, '2026-11-22 00:00Z', -5);
SELECT smsr.pace(NULL, 1, '-infinity', 5);
SELECT smsr.pace(NULL, 1, NULL, 5);
SELECT smsr.pace(NULL, 1, '2026-11-22 00:00Z', NULL);
SELECT smsr.pace('\x5001', 1, '2026-11-22 00:00Z', 1);
SELECT smsr.pace(set_byte(next, 1, 2), 1, '2026-11-22 00:00Z', 1) FROM smsr.pace(NULL, 1, '2026-11-22 00:00Z', 1);
SELECT smsr.pace(set_byte(next, 20, 255), 1, '2026-11-22 00:00Z', 1) FROM smsr.pace(NULL, 1, '2026-11-22 00:00Z', 1);
-- ---- share ----
SELECT * FROM smsr.priority_weights();
-- weights of priorities and tenants; two lanes of one tenant share
SELECT s.grants FROM smsr.share(NULL, '{1,2,3,4,5}', '{a,a,b,b,c}', '{2,2,2,3,2}', '{1,1,1,1,2}', '{999,999,999,999,999}', 170) s;
-- what a lane does not need the others have; all that waits if there is room
SELECT s.grants FROM smsr.share(NULL, '{1,2,3}', '{a,a,b}', '{2,2,2}', '{1,1,1}', '{5,999,999}', 100) s;
SELECT s.grants, length(s.next) FROM smsr.share(NULL, '{1,2,3}', '{a,NULL,b}', '{2,2,2}', '{1,1,1}', '{5,0,7}', 100) s;
SELECT s.grants FROM smsr.share(NULL, '{}', '{}', '{}', '{}', '{}', 100) s;
-- one at a time, and the state remembers; lane 3 comes later and begins where the others are
CREATE TABLE shared (n int, lane int);
DO $$
DECLARE
	state bytea;
	g int[];
BEGIN
	FOR i IN 1 .. 60 LOOP
		SELECT s.grants, s.next INTO g, state
		FROM smsr.share(state, '{1,2,3}', '{a,b,c}', '{2,2,2}', '{1,3,1}', ARRAY[9, 9, CASE WHEN i > 40 THEN 9 ELSE 0 END], 1) s;
		INSERT INTO shared SELECT i, l FROM unnest(g) WITH ORDINALITY u (c, l) WHERE c = 1;
	END LOOP;
END $$;
SELECT n > 40 AS three, lane, count(*) FROM shared GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) AS in_all FROM shared;
-- what was taken beyond its grant a lane pays for
SELECT t.grants FROM smsr.share(NULL, '{1,2}', '{a,b}', '{2,2}', '{1,1}', '{99,99}', 10) s,
	smsr.share(smsr.share_settle(s.next, '{1}', '{a}', '{2}', '{1}', '{4}'), '{1,2}', '{a,b}', '{2,2}', '{1,1}', '{99,99}', 10) t;
-- and what it gave back is no credit beyond the others that are not named
SELECT t.grants FROM smsr.share(NULL, '{1,2}', '{a,b}', '{2,2}', '{1,1}', '{99,99}', 10) s,
	smsr.share(smsr.share_settle(s.next, '{1}', '{a}', '{2}', '{1}', '{-5}'), '{1,2}', '{a,b}', '{2,2}', '{1,1}', '{99,99}', 10) t;
SELECT smsr.share(NULL, NULL, '{a}', '{2}', '{1}', '{9}', 1);
SELECT smsr.share(NULL, '{1,2}', '{a}', '{2,2}', '{1,1}', '{9,9}', 1);
SELECT smsr.share(NULL, '{1,NULL}', '{a,a}', '{2,2}', '{1,1}', '{9,9}', 1);
SELECT smsr.share(NULL, '{1,1}', '{a,a}', '{2,2}', '{1,1}', '{9,9}', 1);
SELECT smsr.share(NULL, '{{1},{2}}', '{a,a}', '{2,2}', '{1,1}', '{9,9}', 1);
SELECT smsr.share(NULL, '{1,2}', '{a,a}', '{2,4}', '{1,1}', '{9,9}', 1);
SELECT smsr.share(NULL, '{1,2}', '{a,a}', '{2,2}', '{1,1001}', '{9,9}', 1);
SELECT smsr.share(NULL, '{1,2}', '{a,a}', '{2,2}', '{0,1}', '{9,9}', 1);
SELECT smsr.share(NULL, '{1,2}', '{a,a}', '{2,2}', '{1,1}', '{9,-9}', 1);
SELECT smsr.share(NULL, '{1,2}', '{a,a}', '{2,2}', '{1,1}', '{9,9}', -1);
SELECT smsr.share(NULL, '{1}', '{a}', '{2}', '{1}', '{9}', NULL);
SELECT smsr.share_settle(NULL, '{1}', '{a}', '{2}', '{1}', '{1000001}');
SELECT smsr.share('\x00', '{1}', '{a}', '{2}', '{1}', '{9}', 1);
SELECT smsr.share(set_byte(s.next, 9, 0), '{1,2}', '{a,b}', '{2,2}', '{1,1}', '{9,9}', 1)
FROM smsr.share(NULL, '{1,2}', '{a,b}', '{2,2}', '{1,1}', '{9,9}', 1) s;
SELECT smsr.share(p.next, '{1}', '{a}', '{2}', '{1}', '{9}', 1) FROM smsr.pace(NULL, 1, '2026-11-22 00:00Z', 1) p;
-- ---- waves ----
SELECT w.* FROM smsr.waves('canary 100, then 10%, then rest', 12345) w;
SELECT w.* FROM smsr.waves('0.0001% then 2, 40% EACH', 7) w;
SELECT count(*) FROM smsr.waves('rest', 0);
SELECT p, smsr.valid_waves(p), smsr.waves_fault(p)
FROM unnest(ARRAY['canary, rest', '10%', '100%', '', '0, rest', '101%, rest', '1.5, rest', '1.00001%, rest', 'rest, 5', '5 each, rest', '5,, rest',
	'5 6 rest', 'canary 5', 'five', '5 then then rest', NULL]) p;
SELECT * FROM smsr.waves('10, 10%', 100);
SELECT * FROM smsr.waves('1 each', 10001);
SELECT * FROM smsr.waves('rest', -1);
-- ---- brakes ----
-- 5 of 50, one-sided 95 % (z = 1.644854): 0.0495 and 0.1915
SELECT round(lower::numeric, 4) AS lower, round(upper::numeric, 4) AS upper FROM smsr.failure_bounds(5, 50, 0.95);
SELECT f.*, b.lower = 0 AS no_less, b.upper = 1 AS no_more
FROM (VALUES (0, 0), (0, 100), (100, 100)) f (failed, ended), smsr.failure_bounds(failed, ended, 0.99) b;
SELECT failed, ended, smsr.brake(failed, ended, 0.05, 0.95, 20) AS halt
FROM (VALUES (19, 19), (20, 20), (5, 50), (6, 50), (0, 1000), (60, 1000), (63, 1000)) f (failed, ended);
SELECT smsr.brake(0, 100, 0, 0.95, 1) AS none_failed, smsr.brake(1, 100, 0, 0.95, 1) AS one_failed, smsr.brake(9, 9, 1, 0.95, 1) AS never,
	smsr.brake(9, 9, NULL, 0.95, 1) AS unknown;
SELECT smsr.brake(5, 4, 0.1, 0.95, 1);
SELECT smsr.brake(-1, 4, 0.1, 0.95, 1);
SELECT smsr.brake(1, 4, 1.1, 0.95, 1);
SELECT smsr.brake(1, 4, 'NaN', 0.95, 1);
SELECT smsr.brake(1, 4, 0.1, 1, 1);
SELECT smsr.brake(1, 4, 0.1, 0.95, -1);
-- a fault that begins late: as a whole it is well below
SELECT smsr.brake(60, 400100, 0.1, 0.99, 20) AS whole, l.* FROM smsr.brake_lately('{0,0,60}', '{200000,200000,100}', 500000, 0.1, 0.99, 20) l;
SELECT * FROM smsr.brake_lately('{0,20}', '{400000,100}', 500000, 0.1, 0.99, 20);
SELECT * FROM smsr.brake_lately('{}', '{}', 0, 0.1, 0.99, 20);
SELECT smsr.brake_lately('{1,2}', '{1}', 9, 0.1, 0.99, 20);
SELECT smsr.brake_lately('{1,2}', '{1,1}', 9, 0.1, 0.99, 20);
SELECT smsr.brake_lately('{1,NULL}', '{1,1}', 9, 0.1, 0.99, 20);
SELECT smsr.brake_lately('{1}', '{1}', 9, 0.1, 0.99, NULL);
SELECT smsr.failure_bounds(1, 4, 0.4);
-- ---- forecasts ----
-- at a steady rate no bounds are needed; closed windows are waited for
SELECT * FROM smsr.forecast('{600}', '{NULL}', '{2026-11-16 00:00}', '{10,10}');
SELECT make_interval(secs => expected) FROM smsr.forecast('{600}', '{01:00-02:00}', '{2026-11-16 00:59:30}', '{10}');
SELECT make_interval(secs => expected) FROM smsr.forecast('{600,1200}', '{01:00-02:00,02:00-04:00}', '{2026-11-16 00:00,2026-11-16 00:00}', '{0.25,0.25}');
-- two zones, each with its own time of day
SELECT make_interval(secs => expected) FROM smsr.forecast('{3600,3600}', '{01:00-03:00,01:00-03:00}', '{2026-11-16 02:00,2026-11-16 00:30}', '{1,1}');
-- a rate that varies, and a number of messages that is not known well
SELECT round(expected) AS expected, round(earliest) AS earliest, round(latest) AS latest FROM smsr.forecast('{60000}', '{NULL}', '{2026-11-16 00:00}', '{8,12,10,9,11}', 60, 0, 0.9);
SELECT round(expected) AS expected, round(earliest) AS earliest, round(latest) AS latest FROM smsr.forecast('{60000}', '{NULL}', '{2026-11-16 00:00}', '{8,12,10,9,11}', 60, 0.1, 0.9);
SELECT * FROM smsr.forecast('{600}', '{NULL}', '{2026-11-16 00:00}', '{0,0}');
SELECT * FROM smsr.forecast('{0}', '{NULL}', '{2026-11-16 00:00}', '{0,0}');
SELECT * FROM smsr.forecast('{600}', '{NULL}', '{2026-11-16 00:00}', '{}');
SELECT * FROM smsr.forecast('{600,-1}', '{NULL,NULL}', '{2026-11-16 00:00,2026-11-16 00:00}', '{1}');
SELECT * FROM smsr.forecast('{600}', '{NULL}', '{2026-11-16 00:00}', '{1,NaN}');
SELECT * FROM smsr.forecast('{600}', '{NULL,NULL}', '{2026-11-16 00:00}', '{1}');
SELECT * FROM smsr.forecast('{600}', '{25:00-26:00}', '{2026-11-16 00:00}', '{1}');
SELECT * FROM smsr.forecast('{600}', '{NULL}', '{infinity}', '{1}');
SELECT * FROM smsr.forecast('{600}', '{NULL}', '{2026-11-16 00:00}', '{1}', 0);
SELECT * FROM smsr.forecast('{600}', '{NULL}', '{2026-11-16 00:00}', '{1}', 60, -1);
SELECT * FROM smsr.forecast('{600}', '{NULL}', '{2026-11-16 00:00}', '{1}', 60, 0, 1);
SELECT * FROM smsr.forecast('{600}', '{NULL}', '{2026-11-16 00:00}', '{1}', NULL);
SELECT * FROM smsr.forecast(array_fill(1::bigint, '{1001}'), array_fill(NULL::text, '{1001}'), array_fill(timestamp '2026-11-16', '{1001}'), '{1}');
-- classes of errors
DO $$
DECLARE
	call text;
	state text;
BEGIN
	FOREACH call IN ARRAY ARRAY[
		$c$window_open('Moon', '2026-11-16')$c$,
		$c$window_open('Mon 01:00-05:00', 'infinity')$c$,
		$c$pace('\x5001', 1, '2026-11-22 00:00Z', 1)$c$,
		$c$pace(NULL, 1, NULL, 1)$c$,
		$c$pace(NULL, -1, '2026-11-22 00:00Z', 1)$c$,
		$c$share('\x00', '{}', '{}', '{}', '{}', '{}', 1)$c$,
		$c$share(NULL, '{1}', '{}', '{}', '{}', '{}', 1)$c$,
		$c$share(NULL, '{1}', '{a}', '{4}', '{1}', '{1}', 1)$c$,
		$c$share_settle(NULL, '{1}', '{a}', '{1}', '{1}', '{NULL}')$c$,
		$c$waves('all', 1)$c$,
		$c$brake(2, 1, 0, 0.9, 1)$c$,
		$c$forecast('{1}', '{NULL}', '{2026-11-16}', '{-1}')$c$]
	LOOP
		BEGIN
			EXECUTE 'SELECT smsr.' || call;
			RAISE NOTICE '%: no error', call;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE;
			RAISE NOTICE '% %', state, call;
		END;
	END LOOP;
END $$;
DROP TABLE paced, shared;
