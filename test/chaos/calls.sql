-- What the chaos run asks of the SM-SR: call n of a seed is always about the
-- same card and of the same kind; which profile it meets depends on the moment.

CREATE SCHEMA chaos;

CREATE TABLE chaos.card AS
	SELECT (row_number() OVER (ORDER BY e.eid))::int AS n, e.eid FROM smsr.euicc e;

-- a third of them calls in for what waits; all may
INSERT INTO smsr.https_polls (first, last) SELECT min(eid), max(eid) FROM chaos.card WHERE n <= (SELECT count(*) / 3 FROM chaos.card);

-- Which operation a script is of: rows of smsr.outbound go, and cards remember numbers.
CREATE TABLE chaos.script (id bigint PRIMARY KEY, eid smsr.eid, operation_id bigint, step text);
CREATE FUNCTION chaos.keep_script() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	AS $$
	BEGIN
		INSERT INTO chaos.script VALUES (NEW.id, NEW.eid, NEW.operation_id, NEW.step) ON CONFLICT (id) DO NOTHING;
		RETURN NULL;
	END $$;
CREATE TRIGGER keep_script AFTER INSERT ON smsr.outbound FOR EACH ROW EXECUTE FUNCTION chaos.keep_script();

-- between 0 and 1, the same for the same arguments
CREATE FUNCTION chaos.draw(seed int, n int, what text) RETURNS double precision
	LANGUAGE sql IMMUTABLE
	AS $$ SELECT (hashtextextended(format('%s %s %s', seed, n, what), 0) & 1048575) / 1048576.0 $$;

CREATE FUNCTION chaos.iccid(n int) RETURNS smsr.iccid
	LANGUAGE sql IMMUTABLE
	AS $$
		SELECT (base || (10 - sum % 10) % 10)::smsr.iccid
		FROM (SELECT base, sum(CASE WHEN i % 2 = 1 THEN CASE WHEN 2 * d > 9 THEN 2 * d - 9 ELSE 2 * d END ELSE d END)
			FROM (SELECT '8949990' || lpad(n::text, 12, '0') AS base) b,
				LATERAL (SELECT i, substr(reverse(base), i, 1)::int AS d FROM generate_series(1, 19) i) digits
			GROUP BY base) sums (base, sum)
	$$;

-- The number that the simulated card gets for an ISD-P, see doc/simulated-fleet.md.
CREATE FUNCTION chaos.msisdn(eid smsr.eid, isdp_aid smsr.aid) RETURNS text
	LANGUAGE sql IMMUTABLE
	AS $$
		SELECT '49' || lpad(ltrim(substr(eid::text, 19, 12), '0'), 8, '0')
			|| lpad((('x' || substr(isdp_aid::text, 25, 6))::bit(24)::int - 16)::text, 5, '0')
	$$;

-- The simulated cards have a profile as soon as there is an ISD-P for it.  What
-- an audit saw first is Disabled already, and has no number yet.
CREATE FUNCTION chaos.complete() RETURNS bigint
	LANGUAGE sql VOLATILE
	AS $$
		SELECT count(CASE p.state
			WHEN 'Created' THEN smsr.profile_download_completed(p.eid, p.iccid, 'chaos', chaos.msisdn(p.eid, p.isdp_aid))
			ELSE smsr.update_subscription_address(p.eid, p.iccid, chaos.msisdn(p.eid, p.isdp_aid)) END)
		-- in the order in which everybody locks
		FROM (SELECT * FROM smsr.profile p WHERE p.iccid IS NOT NULL AND (p.state = 'Created' OR p.msisdn IS NULL)
			ORDER BY p.eid) p
	$$;

-- Call n: the operation's id, NULL if there was nothing to call for.
CREATE FUNCTION chaos.call(seed int, n int, OUT operation_id bigint, OUT card smsr.eid)
	LANGUAGE plpgsql VOLATILE
	AS $$
	DECLARE
		cards int := (SELECT count(*) FROM chaos.card);
		chosen smsr.eid := (SELECT c.eid FROM chaos.card c WHERE c.n = 1 + floor(chaos.draw(seed, call.n, 'card') * cards)::int);
		kind double precision := chaos.draw(seed, n, 'kind');
		any_iccid smsr.iccid;
		other smsr.iccid;
		enabled smsr.iccid;
		valid interval := (ARRAY['300 ms', '1 s', '2 s', '4 s', '8 s', '8 s', '20 s', '20 s']::interval[])
			[1 + floor(chaos.draw(seed, n, 'validity') * 8)::int];
		id text := format('chaos %s', n);
	BEGIN
		card := chosen;
		SELECT p.iccid INTO enabled FROM smsr.profile p WHERE p.eid = card AND p.state = 'Enabled';
		SELECT p.iccid INTO other FROM smsr.profile p WHERE p.eid = card AND p.state = 'Disabled' AND p.iccid IS NOT NULL
			ORDER BY chaos.draw(seed, n, p.isdp_aid::text) LIMIT 1;
		SELECT p.iccid INTO any_iccid FROM smsr.profile p WHERE p.eid = card AND p.iccid IS NOT NULL
			ORDER BY chaos.draw(seed, n, p.isdp_aid::text) LIMIT 1;
		operation_id := CASE
			WHEN kind < 0.15 THEN smsr.create_isdp(card, chaos.iccid(n), '1.3.6.1.4.1.99999.3', 20000, validity => valid, call_id => id)
			WHEN kind < 0.27 THEN chaos.complete() * NULL
			WHEN any_iccid IS NULL THEN smsr.audit_eis(card, validity => valid, call_id => id)
			WHEN kind < 0.50 THEN smsr.enable_profile(card, coalesce(other, any_iccid), validity => valid, call_id => id)
			WHEN kind < 0.65 THEN smsr.disable_profile(card, coalesce(enabled, any_iccid), validity => valid, call_id => id)
			WHEN kind < 0.73 THEN smsr.delete_profile(card, coalesce(other, any_iccid), validity => valid, call_id => id)
			WHEN kind < 0.76 THEN smsr.delete_profile(card, any_iccid, validity => valid, call_id => id)
			-- what is for the ISD-P alone: a few octets, or more than short messages carry
			WHEN kind < 0.80 THEN smsr.send_data(card, (SELECT p.isdp_aid FROM smsr.profile p WHERE p.eid = card AND p.iccid = any_iccid),
				(SELECT string_agg('\x2281FF'::bytea || '\x80E28800FA' || sha256(convert_to(id || i, 'UTF8')) || decode(repeat('00', 218), 'hex'), '')
					FROM generate_series(1, 1 + floor(chaos.draw(seed, n, 'size') * 8)::int) i), false, valid, id)
			WHEN kind < 0.85 THEN smsr.set_fallback_attribute(card, any_iccid, validity => valid, call_id => id)
			WHEN kind < 0.91 THEN smsr.audit_eis(card, validity => valid, call_id => id)
			ELSE smsr.update_policy_rules(card, any_iccid, (ARRAY['{}', '{}', '{DISABLE/Not-Allowed}', '{DELETE/Not-Allowed}',
				'{DISABLE/Auto-Delete}', '{DISABLE/Auto-Delete}']::smsr.pol2[])[1 + floor(chaos.draw(seed, n, 'rule') * 6)::int], call_id => id)
		END;
	END $$;
