-- A synthetic inventory of any size, for benches: made in the database by a few
-- statements.  Its eUICCs are those of smsr-fleet of the default seed: the same
-- EIDs, key sets (sealed by smsr itself), profiles and numbers, so that packets
-- can be sealed for them and the simulated fleet knows them.  What their EUM
-- signed is the text of one real EIS for all, which must be registered already.
--
--   SELECT bench_inventory(1, 1000000, 'hex of the transport key of EUM "bench"');
--
-- Needs pgcrypto, and a transport key of mode aes-cbc-zero-iv.

CREATE FUNCTION bench_eid(serial bigint) RETURNS smsr.eid
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	-- check digits: the number is 1 modulo 97
	RETURN ('890490320010000001' || lpad(serial::text, 12, '0')
		|| lpad((98 - (890490320010000001::numeric * 100000000000000 % 97 + serial * 100) % 97)::int::text, 2, '0'))::smsr.eid;
COMMENT ON FUNCTION bench_eid(bigint) IS 'EID of a card of the simulated fleet';

CREATE FUNCTION bench_iccid(serial bigint, profile int) RETURNS smsr.iccid
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	-- Luhn (ISO/IEC 7812-1) over 894901, eight digits of the card and five of the profile
	RETURN (89490100000000000000 + serial * 1000000 + profile * 10 + (1000 - 34 - 2 * profile
		- serial % 10 - serial / 100 % 10 - serial / 10000 % 10 - serial / 1000000 % 10
		- 2 * (serial / 10 % 10 + serial / 1000 % 10 + serial / 100000 % 10 + serial / 10000000 % 10)
		+ 9 * (serial / 10 % 10 / 5 + serial / 1000 % 10 / 5 + serial / 100000 % 10 / 5 + serial / 10000000 % 10 / 5)
		) % 10)::text::smsr.iccid;
COMMENT ON FUNCTION bench_iccid(bigint, int) IS 'ICCID of one of its profiles, 0 to 4';

CREATE FUNCTION bench_key(serial bigint, number int) RETURNS bytea
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN substr(sha256(convert_to('smsr-fleet key ' || number || ' 1 ' || serial, 'UTF8')), 1, 16);
COMMENT ON FUNCTION bench_key(bigint, int) IS 'Its KIc, KID and DEK: 1 to 3';

CREATE FUNCTION bench_inventory(first bigint, cards bigint, transport_key text, signed boolean DEFAULT true) RETURNS void
	LANGUAGE plpgsql
	-- every row refers to one that is made here
	SET session_replication_role = replica
	SET synchronous_commit = off
	AS $$
	DECLARE
		last bigint := first + cards - 1;
		transport bytea := decode(transport_key, 'hex');
		like_this smsr.eid := (SELECT s.eid FROM smsr.euicc_signed s ORDER BY s.eid LIMIT 1);
		isdr CONSTANT smsr.aid := 'A0000005591010FFFFFFFF8900000100';
	BEGIN
		INSERT INTO smsr.euicc (eid, eum_id, smsr_id, production_date, platform_type, platform_version,
				isdp_loadfile_aid, isdp_module_aid, isdr_aid, cattp_support, http_support, secure_packet_version,
				remote_provisioning_version, remaining_memory, available_memory)
			SELECT bench_eid(i), e.eum_id, e.smsr_id, e.production_date, e.platform_type, e.platform_version,
				e.isdp_loadfile_aid, e.isdp_module_aid, e.isdr_aid, e.cattp_support, e.http_support, e.secure_packet_version,
				e.remote_provisioning_version, e.remaining_memory, e.available_memory
			FROM (SELECT * FROM smsr.euicc WHERE eid = like_this) e, generate_series(first, last) i;
		INSERT INTO smsr.euicc_security_domain (eid, role, aid, tars, sin, sdin)
			SELECT bench_eid(i), d.role, d.aid, d.tars, d.sin, d.sdin
			FROM generate_series(first, last) i,
				(SELECT * FROM smsr.euicc_security_domain WHERE eid = like_this) d;
		INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, smdp_id, state, fallback_attribute, msisdn, imsi,
				profile_type, allocated_memory)
			SELECT bench_eid(i), smsr.isdp_aid(16 + p), bench_iccid(i, p), '1.3.6.1.4.1.99999.' || 3 + p, '1.3.6.1.4.1.99999.2',
				CASE p WHEN 0 THEN 'Enabled' ELSE 'Disabled' END, p = 0, (490000000000000 + i * 100000 + p)::text,
				(262010000000000 + i * 100 + p * 10000000001)::text, 'sample', 50000
			FROM generate_series(first, last) i, generate_series(0, 1) p;
		INSERT INTO smsr.keyset (eid, sd_aid, kvn, type, key_type, check_values, sealed)
			SELECT c.eid, isdr, 2, 'SCP80', u.key_type, u.check_values, u.sealed
			FROM (SELECT bench_eid(i) AS eid, i FROM generate_series(first, last) i OFFSET 0) c,
				LATERAL (SELECT string_agg(encode(encrypt(k, transport, 'aes-cbc/pad:none'), 'hex'), ' ') AS wrapped,
						string_agg(encode(substr(encrypt('\x01010101010101010101010101010101', k, 'aes-ecb/pad:none'), 1, 3), 'hex'), ' ') AS checks
					FROM (VALUES (bench_key(i, 1)), (bench_key(i, 2)), (bench_key(i, 3))) v (k)) w,
				LATERAL smsr.unwrap_keyset(c.eid, isdr, 2::smallint, 'SCP80', 'bench', w.wrapped, '88', w.checks) u;
		IF signed THEN
			-- as it is in its row, compressed
			INSERT INTO smsr.euicc_signed (eid, signed_info, signature, namespaces, verified_at, verified_by, eum_certificate)
				SELECT bench_eid(i), s.signed_info, s.signature, s.namespaces, s.verified_at, s.verified_by, s.eum_certificate
				FROM generate_series(first, last) i,
					(SELECT * FROM smsr.euicc_signed WHERE eid = like_this) s;
		END IF;
		FOR i IN first .. last BY 100000 LOOP
			PERFORM smsr.record_audit(array_agg(smsr.audit_entry(bench_eid(c), 'register_eis', NULL, NULL, 'EXECUTED_SUCCESS')))
				FROM generate_series(i, least(i + 99999, last)) c;
		END LOOP;
	END $$;
COMMENT ON FUNCTION bench_inventory(bigint, bigint, text, boolean)
	IS 'Make cards first, first + 1 ... with two profiles and a key set of SCP80 each, registered and recorded';

-- Most of a large inventory is only in the way of the rest.  Its rows are of the same
-- size in the same indexes, and made three times as fast: all have the key set of one
-- card, which opens for none of them, and their chains begin with its record.
CREATE FUNCTION bench_filler(first bigint, cards bigint) RETURNS void
	LANGUAGE plpgsql
	SET session_replication_role = replica
	SET synchronous_commit = off
	AS $$
	DECLARE
		last bigint := first + cards - 1;
		like_this smsr.eid := (SELECT e.eid FROM smsr.euicc e ORDER BY e.eid LIMIT 1);
		t text;
	BEGIN
		CREATE TEMP TABLE card ON COMMIT DROP AS SELECT bench_eid(i) AS eid FROM generate_series(first, last) i;
		FOREACH t IN ARRAY '{euicc,euicc_security_domain,keyset,audit_trail,audit_head}'::text[]
		LOOP
			EXECUTE (SELECT format('INSERT INTO smsr.%1$I (eid, %2$s) SELECT c.eid, %2$s
					FROM card c CROSS JOIN (SELECT %2$s FROM smsr.%1$I WHERE eid = $1 %3$s) x',
					t, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), CASE t WHEN 'audit_trail' THEN 'AND number = 1' END)
				FROM pg_attribute a
				WHERE a.attrelid = format('smsr.%I', t)::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname NOT IN ('eid', 'position')) USING like_this;
		END LOOP;
		INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, smdp_id, state, fallback_attribute, msisdn, imsi,
				profile_type, allocated_memory)
			SELECT bench_eid(i), smsr.isdp_aid(16 + p), bench_iccid(i, p), '1.3.6.1.4.1.99999.' || 3 + p, '1.3.6.1.4.1.99999.2',
				CASE p WHEN 0 THEN 'Enabled' ELSE 'Disabled' END, p = 0, (490000000000000 + i * 100000 + p)::text,
				(262010000000000 + i * 100 + p * 10000000001)::text, 'sample', 50000
			FROM generate_series(first, last) i, generate_series(0, 1) p;
	END $$;
COMMENT ON FUNCTION bench_filler(bigint, bigint) IS 'Cards first, first + 1 ... that nothing can be sent to';

CREATE FUNCTION bench_keys(eids smsr.eid[], transport_key text) RETURNS void
	LANGUAGE sql
	BEGIN ATOMIC
		UPDATE smsr.keyset k SET key_type = u.key_type, check_values = u.check_values, sealed = u.sealed
			FROM (SELECT e.eid, substr(e.eid::text, 19, 12)::bigint AS serial FROM unnest(eids) e (eid) OFFSET 0) c,
				LATERAL (SELECT string_agg(encode(encrypt(k, decode(transport_key, 'hex'), 'aes-cbc/pad:none'), 'hex'), ' ') AS wrapped,
						string_agg(encode(substr(encrypt('\x01010101010101010101010101010101', k, 'aes-ecb/pad:none'), 1, 3), 'hex'), ' ') AS checks
					FROM (VALUES (bench_key(c.serial, 1)), (bench_key(c.serial, 2)), (bench_key(c.serial, 3))) v (k)) w,
				LATERAL smsr.unwrap_keyset(c.eid, 'A0000005591010FFFFFFFF8900000100', 2::smallint, 'SCP80', 'bench', w.wrapped, '88', w.checks) u
			WHERE k.eid = c.eid AND k.sd_aid = 'A0000005591010FFFFFFFF8900000100' AND k.kvn = 2;
	END;
COMMENT ON FUNCTION bench_keys(smsr.eid[], text) IS 'Give some of them the key sets of the simulated fleet';

CREATE FUNCTION bench_answer(eid smsr.eid, cntr bigint) RETURNS bytea
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	-- script executed, 9000
	RETURN (SELECT smsr.sms_segments(smsr.scp80_response('\x39', '\x22', '\x22', '\x000001', cntr, 0,
			bench_key(c.serial, 1), bench_key(c.serial, 2), '\xab0780010123029000'), 113)
		FROM (SELECT substr(eid::text, 19, 12)::bigint AS serial) c LIMIT 1);
COMMENT ON FUNCTION bench_answer(smsr.eid, bigint) IS 'TP-UD of the response that the card would send to the command with this counter';
