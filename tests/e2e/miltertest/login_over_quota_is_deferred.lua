-- The third message of a login with two is answered 451 4.7.1 at MAIL or at its end; mail from outside never is.
local function message(conn, login)
  if login then mt.macro(conn, SMFIC_MAIL, "{auth_type}", "PLAIN", "{auth_authen}", login) end
  if mt.mailfrom(conn, "<alice@example.test>") ~= nil then error("mail: connection lost") end
  if mt.getreply(conn) == SMFIR_REPLYCODE then return "refused" end
  if mt.rcptto(conn, "<dest@remote.test>") ~= nil then error("rcpt: connection lost") end
  if mt.header(conn, "Subject", "probe") ~= nil then error("header: connection lost") end
  if mt.eoh(conn) ~= nil then error("eoh: connection lost") end
  if mt.eom(conn) ~= nil then error("eom: connection lost") end
  if mt.getreply(conn) == SMFIR_REPLYCODE then return "refused" end
  return "accepted"
end

local function session(login, wanted)
  local conn = mt.connect(socket)
  if conn == nil then error("no connection to " .. socket) end
  if mt.conninfo(conn, "client.test", "192.0.2.1") ~= nil then error("connect") end
  local answer = message(conn, login)
  if answer ~= wanted then error((login or "outside") .. ": " .. answer .. ", not " .. wanted) end
  mt.disconnect(conn)
end

session("alice@example.test", "accepted")
session("ALICE@example.test", "accepted")
session("alice@example.test", "refused")
session("bob@example.test", "accepted")
for _ = 1, 5 do session(nil, "accepted") end
