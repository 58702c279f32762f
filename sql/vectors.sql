-- Every vector of test/vectors/scp80.json that SQL functions can express, run
-- through them.
\set ON_ERROR_STOP 1
\getenv abs_srcdir PG_ABS_SRCDIR
\set file :abs_srcdir '/test/vectors/scp80.json'
\set vectors `cat :'file'`
CREATE TEMP TABLE vector AS
	SELECT n, v->>'id' AS id, v->>'operation' AS operation, v->'inputs' AS inputs, v->'expected' AS expected
	FROM jsonb_array_elements(:'vectors') WITH ORDINALITY AS x (v, n);
SELECT count(*), count(DISTINCT id) = count(*) AS distinct_ids FROM vector;

-- Vectors whose answer is not to be ours.
CREATE TEMP TABLE deviation (id text PRIMARY KEY, reason text NOT NULL);
INSERT INTO deviation VALUES
	('gsm0348-test_aes_256_aes_cmac_32', 'CC of 4 octets: is opened, but never built'),
	('gsm0348-j-bresp-cmac-noudh', 'CC of a response without the UDH: TS 31.115 has it in'),
	('pysim-test_resp_3des_signed_err', 'shows the data although the CC is wrong: we withhold it');

-- And what none of our functions is for.
CREATE TEMP TABLE not_ours (operation text PRIMARY KEY, reason text NOT NULL);
INSERT INTO not_ours VALUES
	('ber_length', 'lengths below the 4 octets of the shortest C-APDU'),
	('ber_tlv', 'objects of SCP81: this version has no HTTPS'),
	('kdf', 'SCP03 and SCP02 are between SM-DP and ISD-P'),
	('mac', 'no function computes a check field alone'),
	('padding', 'less to cipher than CNTR and PCNTR'),
	('push_apdu', 'an APDU like any other: this version opens no channels'),
	('sms_tpdu', 'the SMSC builds TPDUs');

CREATE FUNCTION pg_temp.octets(inputs jsonb, name text) RETURNS bytea LANGUAGE sql AS $$
	SELECT decode(inputs->>name, 'hex')
$$;

CREATE FUNCTION pg_temp.octet_strings(strings jsonb) RETURNS bytea[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(decode(s, 'hex') ORDER BY n), '{}')
	FROM jsonb_array_elements_text(strings) WITH ORDINALITY AS x (s, n)
$$;

CREATE FUNCTION pg_temp.cntr(inputs jsonb) RETURNS bigint LANGUAGE sql AS $$
	SELECT ('x' || lpad(inputs->>'cntr', 16, '0'))::bit(64)::bigint
$$;

CREATE FUNCTION pg_temp.hex(number bigint, digits int) RETURNS text LANGUAGE sql AS $$
	SELECT lpad(to_hex(number), digits, '0')
$$;

-- What we answer, under the names that the vector's answer has; NULL where no
-- function can be asked.
CREATE FUNCTION pg_temp.answer(operation text, i jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	packet bytea;
	opened record;
BEGIN
	CASE operation
	WHEN 'command_packet' THEN
		packet := smsr.scp80_command(pg_temp.octets(i, 'spi1') || pg_temp.octets(i, 'spi2'),
			pg_temp.octets(i, 'kic'), pg_temp.octets(i, 'kid'), pg_temp.octets(i, 'tar'), pg_temp.cntr(i),
			pg_temp.octets(i, 'kic_key'), pg_temp.octets(i, 'kid_key'), pg_temp.octets(i, 'data'), i->>'bearer');
		-- what was sealed has to open
		opened := smsr.scp80_open_command(packet, pg_temp.octets(i, 'kic_key'), pg_temp.octets(i, 'kid_key'), i->>'bearer');
		IF opened.data IS DISTINCT FROM pg_temp.octets(i, 'data') OR opened.cntr <> pg_temp.cntr(i) THEN
			RAISE 'packet does not open';
		END IF;
		RETURN jsonb_build_object('packet', encode(packet, 'hex'));

	WHEN 'response_packet' THEN
		packet := smsr.scp80_response(pg_temp.octets(i, 'spi2'),
			pg_temp.octets(i, 'kic'), pg_temp.octets(i, 'kid'), pg_temp.octets(i, 'tar'), pg_temp.cntr(i),
			get_byte(pg_temp.octets(i, 'status'), 0),
			pg_temp.octets(i, 'kic_key'), pg_temp.octets(i, 'kid_key'), pg_temp.octets(i, 'data'), i->>'bearer');
		opened := smsr.scp80_open_response(packet, pg_temp.octets(i, 'spi2'), pg_temp.octets(i, 'kic'), pg_temp.octets(i, 'kid'),
			pg_temp.octets(i, 'kic_key'), pg_temp.octets(i, 'kid_key'), i->>'bearer');
		IF opened.data IS DISTINCT FROM pg_temp.octets(i, 'data') OR opened.cntr <> pg_temp.cntr(i) THEN
			RAISE 'packet does not open';
		END IF;
		-- the vectors have one TP-UD even of what takes more than one short message
		RETURN jsonb_build_object('packet', encode(packet, 'hex'))
			|| CASE WHEN length(packet) <= 137
				THEN jsonb_build_object('tp_ud', (SELECT encode(s, 'hex') FROM smsr.sms_segments(packet, 113) AS s))
				ELSE '{}' END;

	WHEN 'command_packet_parse' THEN
		packet := pg_temp.octets(i, 'packet');
		opened := smsr.scp80_open_command(packet, pg_temp.octets(i, 'kic_key'), pg_temp.octets(i, 'kid_key'), i->>'bearer');
		RETURN jsonb_build_object('tar', encode(opened.tar, 'hex'), 'cntr', pg_temp.hex(opened.cntr, 10),
			'data', encode(opened.data, 'hex'), 'rc_cc_ok', opened.authentic,
			'pcntr', pg_temp.hex(length(packet) - 3 - get_byte(packet, 2) - length(opened.data), 2));

	WHEN 'response_packet_parse' THEN
		-- some have a UDH, some begin with RPL
		packet := pg_temp.octets(i, 'tp_ud');
		IF substr(packet, 1, 3) = '\x027100' THEN
			packet := smsr.sms_reassemble(ARRAY[packet]);
		END IF;
		opened := smsr.scp80_open_response(packet, pg_temp.octets(i, 'spi2'), pg_temp.octets(i, 'kic'), pg_temp.octets(i, 'kid'),
			pg_temp.octets(i, 'kic_key'), pg_temp.octets(i, 'kid_key'), i->>'bearer');
		RETURN jsonb_build_object('tar', encode(opened.tar, 'hex'), 'cntr', pg_temp.hex(opened.cntr, 10),
			'status', pg_temp.hex(opened.status, 2), 'data', encode(opened.data, 'hex'), 'rc_cc_ok', opened.authentic,
			'pcntr', pg_temp.hex(length(packet) - 3 - get_byte(packet, 2) - length(opened.data), 2));

	WHEN 'concat' THEN
		RETURN jsonb_build_object('segments',
			(SELECT jsonb_agg(encode(s, 'hex') ORDER BY n)
			 FROM smsr.sms_segments(pg_temp.octets(i, 'packet'), get_byte(pg_temp.octets(i, 'cpi'), 0),
				(i->>'ref')::int, (i->>'ref_bits')::int) WITH ORDINALITY AS x (s, n)));

	WHEN 'reassemble' THEN
		RETURN jsonb_build_object('packet', encode(smsr.sms_reassemble(pg_temp.octet_strings(i->'segments')), 'hex'));

	WHEN 'expanded_command' THEN
		RETURN jsonb_build_object('secured_data',
			encode(smsr.script(pg_temp.octet_strings(i->'c_apdus'), coalesce(i->>'length_coding' = 'indefinite', false)), 'hex'));

	WHEN 'expanded_response_parse' THEN
		opened := smsr.script_response(pg_temp.octets(i, 'data'));
		RETURN jsonb_build_object('executed', opened.executed, 'r_apdus',
			(SELECT coalesce(jsonb_agg(jsonb_build_array(encode(substr(r, 1, length(r) - 2), 'hex'),
														 encode(substr(r, length(r) - 1), 'hex')) ORDER BY n), '[]')
			 FROM unnest(opened.r_apdus) WITH ORDINALITY AS x (r, n)));

	WHEN 'compact_response_parse' THEN
		opened := smsr.script_compact_response(pg_temp.octets(i, 'data'));
		RETURN jsonb_build_object('number_of_commands', opened.executed,
			'sw', encode(opened.sw, 'hex'), 'response_data', encode(opened.data, 'hex'));

	WHEN 'padding' THEN
		-- of a packet that has so much to cipher; CNTR and PCNTR alone are 6 octets
		IF (i->>'length')::int < 6 THEN
			RETURN NULL;
		END IF;
		packet := smsr.scp80_command(CASE i->>'algorithm' WHEN 'none' THEN '\x0000' ELSE '\x0400'::bytea END,
			CASE i->>'algorithm' WHEN 'aes' THEN '\x12' WHEN '3des' THEN '\x15' ELSE '\x00'::bytea END, '\x00', '\x000001', 1,
			CASE i->>'algorithm' WHEN 'none' THEN '' ELSE '\x000102030405060708090a0b0c0d0e0f'::bytea END, '',
			decode(repeat('aa', (i->>'length')::int - 6), 'hex'));
		RETURN jsonb_build_object('pcntr', pg_temp.hex(length(packet) - 10 - (i->>'length')::int, 2));

	WHEN 'ber_length' THEN
		IF (i->>'length')::int < 4 THEN
			RETURN NULL;
		END IF;
		-- of a C-APDU in a script: between its tag 22 and its value
		packet := smsr.script(ARRAY[decode(repeat('bb', (i->>'length')::int), 'hex')]);
		RETURN jsonb_build_object('encoded',
			regexp_replace(encode(substr(packet, 1, length(packet) - (i->>'length')::int), 'hex'), '^aa.*22', ''));
	ELSE
		RETURN NULL;
	END CASE;
END
$$;

-- The same, with errors as answers.
CREATE FUNCTION pg_temp.outcome(operation text, i jsonb, e jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	a jsonb;
BEGIN
	a := pg_temp.answer(operation, i);
	RETURN CASE
		WHEN a IS NULL THEN 'not expressible'
		WHEN (SELECT bool_and(coalesce(a->key, 'null') = value) FROM jsonb_each(e) WHERE a ? key) THEN 'passed'
		ELSE 'failed'
	END;
EXCEPTION WHEN OTHERS THEN
	RETURN 'failed: ' || sqlstate || ' ' || sqlerrm;
END
$$;
\unset vectors
CREATE TEMP TABLE result AS
	SELECT *, pg_temp.outcome(operation, inputs, expected) AS outcome FROM vector;

SELECT operation, count(*) FILTER (WHERE outcome = 'passed') AS passed,
	count(*) FILTER (WHERE outcome LIKE 'failed%') AS failed,
	count(*) FILTER (WHERE outcome = 'not expressible') AS not_expressible
FROM result GROUP BY 1
UNION ALL
SELECT 'all', count(*) FILTER (WHERE outcome = 'passed'),
	count(*) FILTER (WHERE outcome LIKE 'failed%'),
	count(*) FILTER (WHERE outcome = 'not expressible')
FROM result ORDER BY 1;

-- each has its reason, and no reason is out of date
SELECT id, operation, outcome, reason
FROM deviation FULL JOIN (SELECT * FROM result WHERE outcome LIKE 'failed%') AS failed USING (id) ORDER BY 1;
SELECT operation, vectors, reason
FROM not_ours FULL JOIN (SELECT operation, count(*) AS vectors FROM result WHERE outcome = 'not expressible' GROUP BY 1) AS n USING (operation)
ORDER BY 1;

-- What the deviating ones are to us.
SELECT authentic, data = pg_temp.octets(inputs, 'data') AS same_data
FROM vector, smsr.scp80_open_command(pg_temp.octets(expected, 'packet'), pg_temp.octets(inputs, 'kic_key'), pg_temp.octets(inputs, 'kid_key'))
WHERE id = 'gsm0348-test_aes_256_aes_cmac_32';
SELECT authentic, o.data, status
FROM vector, smsr.scp80_open_response(pg_temp.octets(expected, 'packet'), '\x29', '\x12', '\x12', '', pg_temp.octets(inputs, 'kid_key')) AS o
WHERE id = 'gsm0348-j-bresp-cmac-noudh';
SELECT authentic, o.data, status
FROM vector, smsr.scp80_open_response(smsr.sms_reassemble(ARRAY[pg_temp.octets(inputs, 'tp_ud')]), '\x09', '\x35', '\x35', '', pg_temp.octets(inputs, 'kid_key')) AS o
WHERE id = 'pysim-test_resp_3des_signed_err';
