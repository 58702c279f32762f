-- A profile for each simulated card as an SM-DP has it: elements of the
-- interoperable format, cut into segments of SCP03t, a few of them a call.

CREATE SCHEMA e2e;

CREATE FUNCTION e2e.tlv(tag text, value bytea) RETURNS bytea
	LANGUAGE sql IMMUTABLE
	AS $$
		SELECT decode(tag || CASE
			WHEN length(value) < 128 THEN lpad(to_hex(length(value)), 2, '0')
			WHEN length(value) < 256 THEN '81' || lpad(to_hex(length(value)), 2, '0')
			ELSE '82' || lpad(to_hex(length(value)), 4, '0') END, 'hex') || value
	$$;

-- so many octets, others for each seed
CREATE FUNCTION e2e.noise(seed text, octets int) RETURNS bytea
	LANGUAGE sql IMMUTABLE
	AS $$
		SELECT substring(string_agg(sha512(convert_to(seed || i, 'UTF8')), '' ORDER BY i) FOR octets)
		FROM generate_series(0, octets / 64) i
	$$;

-- header, ten elements, end
CREATE FUNCTION e2e.profile(seed text, octets int) RETURNS bytea
	LANGUAGE sql IMMUTABLE
	AS $$
		SELECT e2e.tlv('A0', e2e.noise(seed, 60))
			|| (SELECT string_agg(e2e.tlv('B' || i, e2e.noise(seed || ' ' || i, octets / 10)), '' ORDER BY i) FROM generate_series(0, 9) i)
			|| e2e.tlv('AA', '\x8000')
	$$;

-- What the SM-DP of a download calls with, in order; segments: octets of the profile in it.
CREATE TABLE e2e.piece (eid smsr.eid, isdp_aid smsr.aid, n int, data bytea, segments bytea, operation_id bigint, PRIMARY KEY (eid, isdp_aid, n));

CREATE FUNCTION e2e.cut(card smsr.eid, isdp smsr.aid, seed text, octets int, segment int DEFAULT 1000, together int DEFAULT 8) RETURNS void
	LANGUAGE plpgsql
	AS $$
	DECLARE
		whole bytea := e2e.profile(seed, octets);
	BEGIN
		-- an AID may come again
		DELETE FROM e2e.piece p WHERE p.eid = card AND p.isdp_aid = isdp;
		-- key establishment, then the secure channel, as real ones look from outside
		INSERT INTO e2e.piece (eid, isdp_aid, n, data, segments) VALUES
			(card, isdp, 1, e2e.tlv('22', '\x80E20900' || '\x20'::bytea || e2e.noise(seed || 'certificate', 32)), '\x'),
			(card, isdp, 2, e2e.tlv('22', '\x80E28901' || '\x40'::bytea || e2e.noise(seed || 'key', 64)), '\x'),
			(card, isdp, 3, e2e.tlv('84', '\x3000' || e2e.noise(seed || 'challenge', 8)) || e2e.tlv('85', '\x33' || e2e.noise(seed || 'MAC', 16)), '\x');
		INSERT INTO e2e.piece (eid, isdp_aid, n, data, segments)
			SELECT card, isdp, 4 + i / together, string_agg(e2e.tlv('86', s), '' ORDER BY i), string_agg(s, '' ORDER BY i)
			FROM generate_series(0, (length(whole) - 1) / segment) i, LATERAL (SELECT substring(whole FROM 1 + i * segment FOR segment)) x (s)
			GROUP BY i / together;
	END $$;

-- All calls of a download, the ISD-P first; where it broke before it begins anew,
-- under another seed, as an SM-DP makes all cryptograms again.
CREATE FUNCTION e2e.download(card smsr.eid, iccid smsr.iccid, seed text, octets int, validity interval DEFAULT '2 minutes') RETURNS smsr.aid
	LANGUAGE plpgsql
	AS $$
	DECLARE
		isdp smsr.aid;
		op bigint;
		next record;
		last int;
	BEGIN
		SELECT p.isdp_aid INTO isdp FROM smsr.profile p WHERE p.eid = card AND p.iccid = download.iccid;
		IF isdp IS NULL THEN
			RAISE EXCEPTION 'no ISD-P for %', iccid;
		END IF;
		PERFORM e2e.cut(card, isdp, seed, octets);
		last := (SELECT max(p.n) FROM e2e.piece p WHERE p.eid = card AND p.isdp_aid = isdp);
		FOR next IN SELECT p.n, p.data FROM e2e.piece p WHERE p.eid = card AND p.isdp_aid = isdp ORDER BY p.n LOOP
			op := smsr.send_data(card, isdp, next.data, next.n < last, validity => validity);
			UPDATE e2e.piece p SET operation_id = op WHERE p.eid = card AND p.isdp_aid = isdp AND p.n = next.n;
		END LOOP;
		RETURN isdp;
	END $$;

-- The number that the simulated card gets for an ISD-P, see doc/simulated-fleet.md.
CREATE FUNCTION e2e.msisdn(eid smsr.eid, isdp_aid smsr.aid) RETURNS text
	LANGUAGE sql IMMUTABLE
	AS $$
		SELECT '49' || lpad(ltrim(substr(eid::text, 19, 12), '0'), 8, '0')
			|| lpad((('x' || substr(isdp_aid::text, 25, 6))::bit(24)::int - 16)::text, 5, '0')
	$$;

-- What the cards say of their downloads, and whether it is what was sent, each
-- octet once and in order: then it is how the profile begins.  No rows: all is well.
CREATE TABLE e2e.card (eid smsr.eid, isdp_aid smsr.aid, state text, elements int, segments int, repeated int, octets int, digest bytea);

CREATE VIEW e2e.wrong AS
	SELECT c.eid, c.state, c.octets, s.executed, s.unknown, c.repeated,
		CASE WHEN c.repeated > 0 THEN 'a segment came twice'
			WHEN c.digest <> sha256(substring(s.sent FOR c.octets)) THEN 'not what was sent, or not in order'
			WHEN c.octets < s.executed THEN 'said to be executed, and is not on the card'
			WHEN c.octets > s.executed + s.unknown THEN 'on the card, and said not to be' END AS why
	FROM e2e.card c JOIN LATERAL (
		SELECT string_agg(p.segments, '' ORDER BY p.n) AS sent,
			coalesce(sum(length(p.segments)) FILTER (WHERE o.status LIKE 'EXECUTED%'), 0) AS executed,
			coalesce(sum(length(p.segments)) FILTER (WHERE o.status = 'EXPIRED' OR o.status IS NULL OR o.step IS NOT NULL AND o.status = 'FAILED'), 0) AS unknown
		FROM e2e.piece p LEFT JOIN smsr.operation o ON o.eid = p.eid AND o.id = p.operation_id
		WHERE p.eid = c.eid AND p.isdp_aid = c.isdp_aid) s ON true
	WHERE c.repeated > 0 OR c.digest <> sha256(substring(s.sent FOR c.octets))
		OR c.octets < s.executed OR c.octets > s.executed + s.unknown;
