-- Secured packets, short messages and scripts.

-- Arguments of a call, named, and what it fails with.
CREATE FUNCTION pg_temp.failure(statement text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END
$$;

\set kic '\'\\x000102030405060708090a0b0c0d0e0f\''
\set kid '\'\\x101112131415161718191a1b1c1d1e1f\''
\set third '\'\\x202122232425262728292a2b2c2d2e2f\''

--
-- Commands
--
SELECT smsr.scp80_command('\x1639', '\x12', '\x12', '\x000001', 258, :kic, :kid, '\xaa07220580caff2100') AS packet \gset
SELECT :'packet';
\x
SELECT * FROM smsr.scp80_open_command(:'packet', :kic, :kid);
-- a wrong key, an altered octet: no error, no data
SELECT authentic, data FROM smsr.scp80_open_command(:'packet', :kic, :third);
SELECT spi, kic, kid, tar, authentic, data FROM smsr.scp80_open_command(:'packet', :third, :kid);
SELECT count(*) FILTER (WHERE authentic) AS authentic, count(data) AS data
FROM generate_series(3, length(:'packet'::bytea) - 1) AS n,
	smsr.scp80_open_command(set_byte(:'packet', n, get_byte(:'packet', n) # 1), :kic, :kid)
WHERE n NOT BETWEEN 3 AND 6;
-- nothing asked: no keys, no check
SELECT smsr.scp80_command('\x0000', '\x00', '\x00', '\xb00010', 0, '', '', '\xa0a40000023f00');
SELECT * FROM smsr.scp80_open_command('\x00150d00000000b00010000000000000a0a40000023f00', '', '');
-- the dialect of CAT_TP, the largest counter, named notation
SELECT smsr.scp80_command(spi => '\x1639', kic => '\x12', kid => '\x12', tar => '\x000001', cntr => 1099511627775,
	kic_key => :kic, kid_key => :kid, data => '\xaa07220580caff2100', bearer => 'cat_tp') AS cat_tp \gset
SELECT :'cat_tp';
SELECT * FROM smsr.scp80_open_command(:'cat_tp', :kic, :kid, 'cat_tp');
\x

--
-- Responses
--
SELECT smsr.scp80_response('\x39', '\x12', '\x12', '\x000001', 258, 0, :kic, :kid, '\xab0780010123029000') AS response \gset
SELECT :'response';
SELECT * FROM smsr.scp80_open_response(:'response', '\x39', '\x12', '\x12', :kic, :kid);
SELECT authentic, data FROM smsr.scp80_open_response(:'response', '\x39', '\x12', '\x12', :kic, :third);
-- without the security that was asked for: what a card claims, but nobody proves
SELECT * FROM smsr.scp80_open_response('\x000b0ab0001000000000000006', '\x39', '\x12', '\x12', :kic, :kid);
SELECT * FROM smsr.scp80_open_response('\x000b0a00000000000000bb0002', '\x01', '\x12', '\x12', '', '');
SELECT status, (smsr.scp80_open_response(smsr.scp80_response('\x39', '\x12', '\x12', '\x000001', 1, status, :kic, :kid, ''),
	'\x39', '\x12', '\x12', :kic, :kid)).status AS opened
FROM unnest('{0,12,255}'::int[]) AS status;

--
-- What can not be built, by argument
--
SELECT note, f.*
FROM (VALUES
	('SPI of 1 octet', '\x16', '\x12', '\x12', '\x000001', 1::bigint, 16, 16, 10, 'sms'),
	('SPI of 3 octets', '\x163900', '\x12', '\x12', '\x000001', 1, 16, 16, 10, 'sms'),
	('KIc of none', '\x1639', '\x', '\x12', '\x000001', 1, 16, 16, 10, 'sms'),
	('KID of 2', '\x1639', '\x12', '\x1212', '\x000001', 1, 16, 16, 10, 'sms'),
	('TAR of 2', '\x1639', '\x12', '\x12', '\x0001', 1, 16, 16, 10, 'sms'),
	('reserved bit in SPI1', '\x9639', '\x12', '\x12', '\x000001', 1, 16, 16, 10, 'sms'),
	('reserved bit in SPI2', '\x1679', '\x12', '\x12', '\x000001', 1, 16, 16, 10, 'sms'),
	('reserved kind of PoR', '\x163b', '\x12', '\x12', '\x000001', 1, 16, 16, 10, 'sms'),
	('DS', '\x1739', '\x12', '\x12', '\x000001', 1, 16, 16, 10, 'sms'),
	('implicit KIc', '\x1639', '\x10', '\x12', '\x000001', 1, 16, 16, 10, 'sms'),
	('proprietary KIc', '\x1639', '\x13', '\x12', '\x000001', 1, 16, 16, 10, 'sms'),
	('proprietary KID', '\x1639', '\x12', '\x17', '\x000001', 1, 16, 16, 10, 'sms'),
	('KID of an unknown CRC', '\x1539', '\x12', '\x12', '\x000001', 1, 16, 16, 10, 'sms'),
	('ECB for a CC', '\x1639', '\x12', '\x1d', '\x000001', 1, 16, 16, 10, 'sms'),
	('counter below 0', '\x1639', '\x12', '\x12', '\x000001', -1, 16, 16, 10, 'sms'),
	('counter of 2^40', '\x1639', '\x12', '\x12', '\x000001', 1099511627776, 16, 16, 10, 'sms'),
	('no key for KIc', '\x1639', '\x12', '\x12', '\x000001', 1, 0, 16, 10, 'sms'),
	('AES key of 15', '\x1639', '\x12', '\x12', '\x000001', 1, 15, 16, 10, 'sms'),
	('AES key of 33', '\x1639', '\x12', '\x12', '\x000001', 1, 16, 33, 10, 'sms'),
	('2-key 3DES key of 24', '\x1639', '\x15', '\x12', '\x000001', 1, 24, 16, 10, 'sms'),
	('3-key 3DES key of 16', '\x1639', '\x12', '\x19', '\x000001', 1, 16, 16, 10, 'sms'),
	('DES key of 16', '\x1639', '\x11', '\x12', '\x000001', 1, 16, 16, 10, 'sms'),
	('too much data', '\x1639', '\x12', '\x12', '\x000001', 1, 16, 16, 65001, 'sms'),
	('far too much data', '\x1639', '\x12', '\x12', '\x000001', 1, 16, 16, 1048577, 'sms'),
	('far too long a key', '\x1639', '\x12', '\x12', '\x000001', 1, 1048577, 16, 10, 'sms'),
	('no bearer', '\x1639', '\x12', '\x12', '\x000001', 1, 16, 16, 10, ''),
	('unknown bearer', '\x1639', '\x12', '\x12', '\x000001', 1, 16, 16, 10, 'SMS'))
	AS x (note, spi, kic, kid, tar, cntr, kic_len, kid_len, data_len, bearer),
	pg_temp.failure(format('SELECT smsr.scp80_command(%L, %L, %L, %L, %L, %L, %L, %L, %L)', spi, kic, kid, tar, cntr,
		decode(repeat('4b', kic_len), 'hex'), decode(repeat('4b', kid_len), 'hex'), decode(repeat('44', data_len), 'hex'), bearer)) AS f;
SELECT note, f.*
FROM (VALUES
	('SPI2 of 2 octets', '\x1639', 0, 0::bigint),
	('DS', '\x0d', 0, 0),
	('status below 0', '\x39', -1, 0),
	('status of 256', '\x39', 256, 0),
	('counter of 2^40', '\x39', 0, 1099511627776)) AS x (note, spi2, status, cntr),
	pg_temp.failure(format('SELECT smsr.scp80_response(%L, ''\x12'', ''\x12'', ''\x000001'', %s, %s, %L, %L, '''')',
		spi2, cntr, status, :kic, :kid)) AS f;
SELECT length(smsr.scp80_command('\x1639', '\x12', '\x12', '\x000001', 1, :kic, :kid, decode(repeat('44', 65000), 'hex')));
SELECT smsr.scp80_command('\x1639', '\x12', '\x12', '\x000001', NULL, :kic, :kid, '\x44') IS NULL AS null_in_null_out;

--
-- What can not be parsed, by field and octet; no octet of it is shown
--
SELECT note, f.*
FROM (VALUES
	('nothing', '\x', 'sms', 16),
	('one octet', '\x00', 'sms', 16),
	('lengths only', '\x0000', 'sms', 16),
	('CPL too large', '\x002915163912120000012c48775299883c5c0d71ce47ca5c34ad79587985811e2eb8d9884bde8471a147', 'sms', 16),
	('CPL too small', '\x002715163912120000012c48775299883c5c0d71ce47ca5c34ad79587985811e2eb8d9884bde8471a147', 'sms', 16),
	('CHL below a header', '\x00280c163912120000012c48775299883c5c0d71ce47ca5c34ad79587985811e2eb8d9884bde8471a147', 'sms', 16),
	('CHL beyond the packet', '\x0028f0163912120000012c48775299883c5c0d71ce47ca5c34ad79587985811e2eb8d9884bde8471a147', 'sms', 16),
	('CHL for no CC', '\x00280d163912120000012c48775299883c5c0d71ce47ca5c34ad79587985811e2eb8d9884bde8471a147', 'sms', 16),
	('DS', '\x002815173912120000012c48775299883c5c0d71ce47ca5c34ad79587985811e2eb8d9884bde8471a147', 'sms', 16),
	('proprietary KIc', '\x002815163913120000012c48775299883c5c0d71ce47ca5c34ad79587985811e2eb8d9884bde8471a147', 'sms', 16),
	('proprietary KID', '\x002815163912130000012c48775299883c5c0d71ce47ca5c34ad79587985811e2eb8d9884bde8471a147', 'sms', 16),
	('half a block', '\x002015163912120000012c48775299883c5c0d71ce47ca5c34ad79587985811e2eb8', 'sms', 16),
	('a key too short', '\x002815163912120000012c48775299883c5c0d71ce47ca5c34ad79587985811e2eb8d9884bde8471a147', 'sms', 8),
	('PCNTR without a check', '\x00150d00000000b000100000000000ffa0a40000023f00', 'sms', 16),
	('not CAT_TP', '\x002815163912120000012c48775299883c5c0d71ce47ca5c34ad79587985811e2eb8d9884bde8471a147', 'cat_tp', 16),
	('indefinite CPL', '\x0180', 'cat_tp', 16),
	('CPL cut off', '\x0182ff', 'cat_tp', 16),
	('unknown bearer', '\x00', 'ussd', 16)) AS x (note, packet, bearer, kic_len),
	pg_temp.failure(format('SELECT smsr.scp80_open_command(%L, %L, %L, %L)', packet,
		decode(repeat('4b', kic_len), 'hex'), :kid, bearer)) AS f;
SELECT note, f.*
FROM (VALUES
	('nothing', '\x', '\x39', '\x12', 16),
	('RHL below a header', '\x000b09b0001000000000000006', '\x39', '\x12', 16),
	('RPL too large', '\x000c0ab0001000000000000006', '\x39', '\x12', 16),
	('RHL for a CC of 3', '\x000e0db0001000000000000006000000', '\x39', '\x12', 16),
	('SPI2 of 2 octets', '\x000b0ab0001000000000000006', '\x1639', '\x12', 16),
	('DS', '\x000b0ab0001000000000000006', '\x0d', '\x12', 16),
	('proprietary KIc', '\x000b0ab0001000000000000006', '\x39', '\x13', 16),
	('a key too short', '\x000b0ab0001000000000000006', '\x39', '\x12', 15)) AS x (note, packet, spi2, kic, kic_len),
	pg_temp.failure(format('SELECT smsr.scp80_open_response(%L, %L, %L, ''\x12'', %L, %L)', packet, spi2, kic,
		decode(repeat('4b', kic_len), 'hex'), :kid)) AS f;

-- A packet that is cut short anywhere, or that has one octet changed, is either
-- refused with an error of class 22 or not authentic.
SELECT coalesce(f.state, 'no error') AS state, count(*)
FROM generate_series(0, length(:'packet'::bytea) - 1) AS n,
	pg_temp.failure(format('SELECT smsr.scp80_open_command(%L, %L, %L)', substr(:'packet'::bytea, 1, n), :kic, :kid)) AS f
GROUP BY 1;
-- (1 / 0, 22012, is for the authentic ones.)
SELECT coalesce(f.state, 'not authentic') AS state, count(*)
FROM generate_series(0, length(:'packet'::bytea) - 1) AS n, generate_series(0, 255) AS d,
	pg_temp.failure(format('SELECT 1 / (NOT authentic)::int FROM smsr.scp80_open_command(%L, %L, %L)',
		set_byte(:'packet', n, get_byte(:'packet', n) # d), :kic, :kid)) AS f
WHERE d > 0 OR n = 0
GROUP BY 1 ORDER BY 1;
SELECT coalesce(f.state, 'not authentic') AS state, count(*)
FROM generate_series(0, length(:'response'::bytea) - 1) AS n, generate_series(0, 255) AS d,
	pg_temp.failure(format('SELECT 1 / (NOT authentic)::int FROM smsr.scp80_open_response(%L, ''\x39'', ''\x12'', ''\x12'', %L, %L)',
		set_byte(:'response', n, get_byte(:'response', n) # d), :kic, :kid)) AS f
WHERE d > 0 OR n = 0
GROUP BY 1 ORDER BY 1;

--
-- Short messages
--
SELECT octets, length(s), substr(s, 1, 10)
FROM unnest('{0,137,138,266,267}'::int[]) AS octets, smsr.sms_segments(decode(repeat('ab', octets), 'hex'), reference => 200) AS s;
SELECT length(s), substr(s, 1, 12) FROM smsr.sms_segments(decode(repeat('ab', 300), 'hex'), 113, 4660, 16) AS s;
SELECT bits, cpi, bool_and(smsr.sms_reassemble(parts) = packet) AS same, max(cardinality(parts)) AS most_parts
FROM generate_series(1, 2000, 37) AS octets, unnest('{8,16}'::int[]) AS bits, unnest('{112,113}'::int[]) AS cpi,
	decode(left(repeat(md5(octets::text), 130), 2 * octets), 'hex') AS packet,
	LATERAL (SELECT array_agg(s ORDER BY md5(s)) || min(s::text)::bytea AS parts FROM smsr.sms_segments(packet, cpi, 77, bits) AS s) AS x
GROUP BY 1, 2 ORDER BY 1, 2;
-- the whole way
SELECT authentic, data = decode(repeat('c0de', 100), 'hex') AS same FROM smsr.scp80_open_command(smsr.sms_reassemble(ARRAY(
	SELECT smsr.sms_segments(smsr.scp80_command('\x1639', '\x12', '\x12', '\x000001', 9, :kic, :kid, decode(repeat('c0de', 100), 'hex'))))), :kic, :kid);
SELECT count(*) FROM smsr.sms_segments(decode(repeat('ab', 34168), 'hex'));
SELECT note, f.*
FROM (VALUES
	('CPI', 'smsr.sms_segments('''', 5)'),
	('CPI that is 70 modulo 256', 'smsr.sms_segments('''', 368)'),
	('negative CPI', 'smsr.sms_segments('''', -144)'),
	('reference of 8 bits', 'smsr.sms_segments('''', reference => 256)'),
	('reference of 16 bits', 'smsr.sms_segments('''', reference => 65536, reference_bits => 16)'),
	('negative reference', 'smsr.sms_segments('''', reference => -1)'),
	('reference bits', 'smsr.sms_segments('''', reference_bits => 12)'),
	('more than 255', 'smsr.sms_segments(decode(repeat(''ab'', 34169), ''hex''))'),
	('no segment', 'smsr.sms_reassemble(''{}'')'),
	('null segment', 'smsr.sms_reassemble(ARRAY[''\x027000ab''::bytea, NULL])'),
	('two dimensions', 'smsr.sms_reassemble(''{{"\\x027000ab"},{"\\x027000ab"}}'')'),
	('empty segment', 'smsr.sms_reassemble(ARRAY[''''::bytea])'),
	('header beyond the end', 'smsr.sms_reassemble(ARRAY[''\x057000ab''::bytea])'),
	('element beyond the header', 'smsr.sms_reassemble(ARRAY[''\x027009ab''::bytea])'),
	('sequence number 0', 'smsr.sms_reassemble(ARRAY[''\x050003010200ab''::bytea])'),
	('a segment missing', 'smsr.sms_reassemble(ARRAY[''\x050003010202ab''::bytea])'),
	('of another message', 'smsr.sms_reassemble(ARRAY[''\x0700030102017000ab'', ''\x050003020202ab''::bytea])'),
	('other octets in a duplicate', 'smsr.sms_reassemble(ARRAY[''\x050003010202ab'', ''\x050003010202ac''::bytea])'))
	AS x (note, call),
	pg_temp.failure('SELECT ' || call) AS f;

--
-- Scripts
--
SELECT smsr.script('{"\\x80f24002024f0000","\\x80caff2100"}');
SELECT smsr.script('{"\\x80caff2100"}', true), smsr.script('{}'), smsr.script(c_apdus => '{}', indefinite => true);
SELECT length(smsr.script(array_fill(decode(repeat('80', 261), 'hex'), '{40}')));
SELECT * FROM smsr.script_response('\xab0780010123026132');
SELECT * FROM smsr.script_response('\xab0d8001022304aabb900023026a82');
SELECT * FROM smsr.script_response('\xaf808001022304aabb90000000');
SELECT * FROM smsr.script_response('\xab06800100900102');
SELECT smsr.script_compact('{"\\xa0a40000023f00","\\xa0c0000016"}');
SELECT * FROM smsr.script_compact_response('\x0290000102030405');
SELECT * FROM smsr.script_compact_response('\x01612f');
SELECT note, f.*
FROM (VALUES
	('short C-APDU', 'smsr.script(''{"\\x80f240"}'')'),
	('null C-APDU', 'smsr.script(''{"\\x80f24000",NULL}'')'),
	('1 MB of them', 'smsr.script(array_fill(decode(repeat(''80'', 261), ''hex''), ''{4050}''))'),
	('a command script', 'smsr.script_response(''\xaa07220580caff2100'')'),
	('no script', 'smsr.script_response(''\x9000'')'),
	('nothing', 'smsr.script_response('''')'),
	('length beyond the end', 'smsr.script_response(''\xab08800101230261'')'),
	('more than its length', 'smsr.script_response(''\xab078001012302613200'')'),
	('inner length beyond', 'smsr.script_response(''\xab0780010123036132'')'),
	('R-APDU without SW', 'smsr.script_response(''\xab06800101230161'')'),
	('no end', 'smsr.script_response(''\xaf8080010123026132'')'),
	('compact C-APDU without P3', 'smsr.script_compact(''{"\\x80f24000"}'')'),
	('short compact response', 'smsr.script_compact_response(''\x0190'')'))
	AS x (note, call),
	pg_temp.failure('SELECT ' || call) AS f;

--
-- Nobody may call these unless it is granted
--
SELECT proname, has_function_privilege('pg_monitor', oid, 'EXECUTE') AS anybody
FROM pg_proc WHERE pronamespace = 'smsr'::regnamespace AND proname ~ '^(scp80|sms_(segments|reassemble)$|script)' ORDER BY 1;
